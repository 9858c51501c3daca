"""Edits of one image into one folder: names hold what differs, and the same one stops."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from radsmith import cli
from radsmith.images.pictures import read_record

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(3)
    Picture.fromarray(rng.integers(0, 255, (64, 56), np.uint8)).save(tmp_path / "in.png")
    mask = np.zeros((64, 56), np.uint8)
    mask[8:20, 8:20] = 255
    Picture.fromarray(mask).save(tmp_path / "lesion.png")
    monkeypatch.chdir(tmp_path)

    def ended(command, *args):
        given = [command, "in.png", *args, "-o", "out"]
        if command != "interpolate":
            given += ["--steps", "1"]
        monkeypatch.setattr(sys, "argv", ["radsmith", *map(str, given)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
        out = capsys.readouterr()
        return code, [Path(line).name for line in out.out.splitlines()], out.err

    return ended


def test_what_differs_is_in_the_name(run):
    made = [
        run("vary", "--strength", 0.3),
        run("vary", "--strength", 0.6),
        run("vary", "--strength", 0.6, "--box", "4,4,20,20"),
        run("vary", "--strength", 0.6, "--seed", 5),
        run("vary", "--mask", "lesion.png", "--prompt", "knee x-ray"),
    ]
    assert [code for code, _, _ in made] == [0] * 5, made
    assert [names[0] for _, names, _ in made] == [
        "in-vary-0.png",
        "in-vary-strength0.6-steps1-0.png",
        "in-vary-strength0.6-box-4-4-20-20-steps1-0.png",
        "in-vary-5.png",
        "in-vary-mask-lesion-knee-x-ray-steps1-0.png",
    ]


def test_the_same_again_finds_its_file_and_stops(run):
    for args in (("--box", "1,1,9,9"), ("--box", "2,2,9,9"), ("--polygon", "1,1 9,1 9,9")):
        assert run("inpaint", *args)[0] == 0
        code, _, err = run("inpaint", *args)
        assert code == 2 and "--force" in err, err
        assert run("inpaint", *args, "--force")[0] == 0
    names = sorted(p.name for p in Path("out").glob("*-0.png"))
    assert len(names) == 3 and names[0].startswith("in-inpaint-0"), names


def test_another_image_or_mask_of_the_same_name_is_another_request(run, tmp_path):
    assert run("inpaint", "--mask", "lesion.png")[0] == 0
    mask = np.zeros((64, 56), np.uint8)
    mask[30:40, 30:40] = 255
    Picture.fromarray(mask).save("lesion.png")
    code, names, _ = run("inpaint", "--mask", "lesion.png")
    assert code == 0 and names == ["in-inpaint-mask-lesion-steps1-0.png"]
    assert read_record(Path("out") / names[0]).edit.rpartition("; request ")[2].isalnum()


def test_findings_and_ways_have_names_of_their_own(run):
    assert (
        run("change", "--add", "pneumonia", "--prompt", "chest x-ray", "--box", "4,4,30,30")[0] == 0
    )
    code, names, _ = run(
        "change", "--add", "pneumonia", "--severity", "severe", "--prompt", "chest x-ray",
        "--box", "4,4,30,30",
    )  # fmt: skip
    assert code == 0 and "severity-severe" in names[0] and len(names[0]) < 140
    Picture.open("in.png").transpose(Picture.Transpose.FLIP_LEFT_RIGHT).save("other.png")
    assert run("interpolate", "other.png", "--steps", 1, "-n", 2)[1][0] == "in-interpolate-1.png"
    assert run("interpolate", "other.png", "--steps", 2, "-n", 2)[1][0] == (
        "in-interpolate-other-steps2-1.png"
    )
