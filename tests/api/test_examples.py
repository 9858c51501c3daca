"""Every example of README and docs/python.md runs; every command that README shows is one."""

import csv
import io
import re
import shlex
import tarfile
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image as Pillow

import radsmith
from radsmith.cli import cli
from radsmith.datasets.entry import COLUMNS

ROOT = Path(__file__).parents[2]


def blocks(page, language):
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def write_split(folder, split, count):
    """`count` gray head CTs, a patient each."""
    rng = np.random.default_rng(len(split))
    rows = []
    with tarfile.open(folder / f"{split}-000.tar", "w") as tar:
        for number in range(count):
            key = f"{split}-{number}"
            stream = io.BytesIO()
            Pillow.fromarray(rng.integers(0, 255, (40, 40), np.uint8)).save(stream, "PNG")
            info = tarfile.TarInfo(f"{key}.png")
            info.size = len(stream.getvalue())
            tar.addfile(info, io.BytesIO(stream.getvalue()))
            known = {"key": key, "shard": f"{split}-000.tar", "modality": "ct"}
            known |= {"body_part": "head", "patient_id": f"p-{key}", "source": "made"}
            rows.append(dict.fromkeys(COLUMNS, "") | known)
    with (folder / f"{split}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with the files that examples name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    quick = radsmith.Settings(num_steps=1)
    radsmith.generate("left knee x-ray, AP view", settings=quick).save("knee.dcm")
    (tmp_path / "dataset").mkdir()
    for split in ("train", "test"):
        write_split(tmp_path / "dataset", split, 40)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_examples_run(page, desk, capsys):
    names = {}
    for number, block in enumerate(found := blocks(page, "python")):
        exec(compile(block, f"{page}, example {number + 1}", "exec"), names)
    assert found
    if page == "README.md":
        return
    assert names["mask"].any() and names["leg"].distance.max() > 0
    assert "strict mode refuses" in capsys.readouterr().out
    assert names["figures"]["kinds"][0]["spaces"]["pixels"]["fd_ratio"]
    saved = {path.name for path in desk.glob("*.*")}
    assert {"effusion.dcm", "edited.dcm", "knee-x-ray-1.png", "head-ct-0.png"} <= saved


def test_commands_of_the_readme_are_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^    radsmith (.*)$", text, re.MULTILINE)
    assert len(lines) > 10
    for line in lines:
        name, *arguments = shlex.split(line.partition("  #")[0].partition(" # ")[0])
        command = cli.commands[name]
        with click.Context(command) as context:
            command.parse_args(context, arguments)
