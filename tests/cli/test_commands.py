"""What holds for every command: help costs nothing, a user's mistake is one line."""

import json
import subprocess
import sys

import pytest

from radsmith.cli import cli, main

HEAVY = {"numpy", "PIL", "pydicom", "onnxruntime", "safetensors", "torch", "fastapi", "sqlalchemy"}
HELP = """
import json, sys
from click.testing import CliRunner
from radsmith.cli import cli
assert all(CliRunner().invoke(cli, [name, "--help"]).exit_code == 0 for name in cli.commands)
print(json.dumps(sorted(sys.modules)))
"""
GONE = {  # a command, asked of what is not there
    "audit": ["gone", "--train", "gone", "--held-out", "gone"],
    "augment": ["gone", "--target", "9"],
    "deidentify": ["gone", "-o", "out"],
    "evaluate": ["--data", "gone"],
    "explain": ["knee x-ray", "--model", "gone"],
    "extend": ["gone.png"],
    "finetune": ["gone", "-o", "mine.radsmith"],
    "generate": ["knee x-ray", "--model", "gone"],
    "import": ["gone", "-o", "out"],
    "inpaint": ["gone.png", "--box", "1,1,9,9"],
    "inspect": ["gone.png"],
    "interpolate": ["gone.png", "gone.png"],
    "judge": ["gone", "-o", "out"],
    "release": ["gone", "-o", "out", "--title", "x", "--key", "gone.key"],
    "verify": ["gone", "--any-signer"],
    "outpaint": ["gone.png", "--left", "9"],
    "report": ["gone.txt"],
    "simulate": ["gone", "-o", "out"],
    "train": ["gone.toml"],
    "train-detector": ["gone", "-o", "out"],
    "vary": ["gone.png"],
    "change": ["gone.png", "--add", "pneumonia"],
}


def test_help_imports_nothing_that_draws_reads_or_serves():
    ended = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert not HEAVY & set(json.loads(ended.stdout))


@pytest.mark.parametrize("command", GONE)
def test_what_is_not_there_is_said_in_one_line(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["radsmith", command, *GONE[command]])
    with pytest.raises(SystemExit) as ended:
        main()
    *before, said = capsys.readouterr().err.strip().splitlines()
    assert ended.value.code == 3, said
    assert said.startswith("radsmith: ") and "gone" in said
    assert not [line for line in before if "Error" in line or "Traceback" in line]


def test_every_command_says_what_it_does():
    for name, command in cli.commands.items():
        said = command.get_short_help_str(limit=200)
        assert said.endswith(".") and said[0].isupper(), name
