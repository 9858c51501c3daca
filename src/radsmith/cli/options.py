"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from radsmith.api.model import Model
    from radsmith.engines.choice import Choice

Command = TypeVar("Command", bound=Callable[..., None])
PATH = click.Path(path_type=Path)
SEEDS = click.IntRange(0, 2**62)
"""Seeds that every generator takes, with room for counting on from them."""

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
MODEL = click.option("--model", type=PATH, help="A .radsmith file or model folder.")
WORKERS = click.option(
    "--workers", type=click.IntRange(1, 256), default=1, help="Processes, one a core."
)
RAY = click.option(
    "--ray",
    metavar="ADDRESS",
    default="",
    help="Draw on a Ray cluster, --workers actors of it; local starts one here.",
)
JUDGE = click.option("--judge", "judge_file", type=PATH, help="Another judge.json.")


def model_of(choice: Choice) -> Model:
    """The model a command draws with; its words are those of the command from here on."""
    from radsmith.api.model import Model
    from radsmith.language.vocabulary import use

    model = Model(choice)
    use(model.vocabulary)
    return model


class Place(click.ParamType[str]):
    """A folder, or an address such as s3://bucket/folder."""

    name = "place"


def out(default: str, name: str = "folder") -> Callable[[Command], Command]:
    """-o, where it may be left out."""
    return click.option("-o", name, type=PATH, default=Path(default))
