"""Lists of prompts as people's programs write them; what is wrong in one is told by its line."""

import csv
import sys
from pathlib import Path

import pytest

from radsmith import cli
from radsmith.errors import InvalidInput
from radsmith.generation.prompt_list import read_list
from radsmith.images.provenance import Settings


def read(path, data):
    path.write_bytes(data)
    return read_list(path, 1, 0, Settings())


@pytest.fixture
def run(monkeypatch, capsys):
    def ended(*args):
        monkeypatch.setattr(sys, "argv", ["radsmith", *map(str, args)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
        return code, *capsys.readouterr()

    return ended


def test_lists_of_a_spreadsheet_are_read_as_they_are(tmp_path):
    text = "Prompt;N;Guidance;Size\r\nchest x-ray, PA;2;1,5;128x100\r\nknee x-ray;;;\r\n"
    for encoding in ("utf-8-sig", "utf-16"):
        one, two = read(tmp_path / "list.csv", text.encode(encoding))
        assert (one.prompt, one.count, one.line) == ("chest x-ray, PA", 2, 2)
        assert one.settings.guidance_scale == 1.5 and one.settings.size == (128, 100)
        assert (two.prompt, two.error, two.line) == ("knee x-ray", "", 3)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"prompt,sed\nchest x-ray,1\n", "unknown columns: 'sed'"),
        (b",prompt\n0,chest x-ray\n", "number 1 without a name"),
        (b"prompt\n", "names no prompt"),
        (b"prompt,seed,Seed\nchest x-ray,1,2\n", "'seed' is there twice"),
        (b"text\nchest x-ray\n", "columns there: 'text'"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused(tmp_path, data, words):
    with pytest.raises(InvalidInput, match=words):
        read(tmp_path / "list.csv", data)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("chest x-ray,0,,", "n must be"),
        ("chest x-ray,,-1,", "seed must be"),
        ("chest x-ray,3,9223372036854775806,", "seed must be"),
        ("chest x-ray,,1e3,", "seed must be a whole number"),
        ("chest x-ray,,,../away", "not a plain file name"),
        ("chest x-ray,,,a,b", "5 cells"),
        (",,,", "the prompt is empty"),
    ],
)
def test_a_row_that_cannot_be_used_keeps_its_line(tmp_path, row, words):
    rows = read(tmp_path / "l.csv", f"prompt,n,seed,name\nknee x-ray,,,\n\n{row}\n".encode())
    assert [r.line for r in rows] == [2, 4]
    assert words in rows[1].error and not rows[0].error


def test_two_rows_of_one_name_and_seed_name_their_lines(run, tmp_path):
    (tmp_path / "list.csv").write_text(
        'prompt,n,seed,name\n"knee x-ray,\nPA view",2,4,a\nchest x-ray,1,5,a\nknee x-ray,1,9,a\n'
    )
    out = tmp_path / "out"
    code, _, err = run("generate", "--from", tmp_path / "list.csv", "-o", out, "--steps", 1)
    assert code == 2 and "line 4: “a-5” is what line 2 writes already" in err
    assert {f.name for f in out.glob("a-*.png")} == {"a-4.png", "a-5.png", "a-9.png"}
    failures = list(csv.DictReader((out / "failures.csv").read_text().splitlines()))
    assert [(f["line"], f["prompt"]) for f in failures] == [("4", "chest x-ray")]


def test_one_prompt_with_other_settings_is_another_file(run, tmp_path):
    (tmp_path / "list.csv").write_text(
        "prompt,steps,size\nknee x-ray,1,\nknee x-ray,2,\nknee x-ray,1,128x100\nknee x-ray,1,\n"
    )
    out = tmp_path / "out"
    for _ in range(2):  # and the second run finds all of them there
        code, said, _ = run("generate", "--from", tmp_path / "list.csv", "-o", out)
        assert code == 0
        assert {Path(line).name for line in said.splitlines()} == {
            "knee-x-ray-0.png", "knee-x-ray-steps2-0.png", "knee-x-ray-128x100-0.png",
        }  # fmt: skip


def test_what_fails_later_keeps_its_line_too(run, tmp_path):
    (tmp_path / "list.csv").write_text("prompt,name\nknee x-ray,a\nchest x-ray,b\n")
    (tmp_path / "out" / "b-0.png").mkdir(parents=True)
    args = ("generate", "--from", tmp_path / "list.csv", "-o", tmp_path / "out", "--steps", 1)
    code, _, err = run(*args)
    assert code == 2 and "line 3: " in err and "line 0" not in err
