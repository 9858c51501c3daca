"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

ENGINE = click.option(
    "--engine",
    metavar="ENGINE",
    help="onnx (default), diffusers:PATH_OR_ID or openai:MODEL@BASE_URL.",
)
SIGN = click.option(
    "--sign",
    type=click.Path(path_type=Path),
    metavar="KEY",
    help="Sign each file (C2PA) with a key of radsmith key release.",
)
WATERMARK = click.option("--watermark", is_flag=True, help="Mark the pixels that are drawn.")
STEPS = click.option("--steps", type=int, help="Denoising steps, 1-100; default 8, diffusers 30.")
GUIDANCE = click.option(
    "--guidance", type=float, help="Guidance scale, 0-10; default 1 (off), diffusers 7."
)
