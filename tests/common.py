"""What tests of several rooms share."""

import sys

from radsmith import cli
from radsmith.images.provenance import Generation


def run_command(monkeypatch, capsys, *arguments):
    """Exit code, stdout and stderr of one command in this process."""
    monkeypatch.setattr(sys, "argv", ["radsmith", *map(str, arguments)])
    code = 0
    try:
        cli.main()
    except SystemExit as stop:
        code = stop.code or 0
    said = capsys.readouterr()
    return code, said.out, said.err


def record(**changes):
    """A provenance record, but for these."""
    values = {
        "radsmith_version": "0.1.0",
        "operation": "generate",
        "engine": "onnx",
        "model": "tiny",
        "model_digest": "ab" * 32,
        "prompt": "chest x-ray",
        "canonical_prompt": "chest x-ray, PA",
        "concepts": ("chest", "pa"),
        "seed": 7,
        "num_steps": 4,
        "guidance_scale": 1.5,
        "width": 5,
        "height": 3,
        "created": "2026-01-02T03:04:05+00:00",
        "pixels_sha256": "cd" * 32,
    }
    return Generation(**values | changes)


def tiny_training(folder, data):
    """The description of a training of one step of the smallest networks; its file."""
    path = folder / "config.toml"
    path.write_text(
        f'data = "{data}"\nstate = "{folder}/state"\n[prior]\nbasis = 8\nrank = 4\n'
        "[sizes.base]\nchannels = [8, 8, 8]\nwidth = 16\ndepth = 1\nheads = 2\n"
        "[sizes.mend]\nchannels = 8\ndepth = 1\n[sizes.octave]\nchannels = 8\n"
        "depth = 1\n[sizes.detail]\nchannels = 8\ndepth = 1\n[recipe]\n"
        "batch_size = 4\nmax_steps = 1\n"
    )
    return path
