"""Which engine: the default model or one of another kind, by one name.

A `Choice` is what the options --engine and --model come to. It is a plain value, so that worker
processes build the same engine from it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from radsmith.engines import model_files
from radsmith.engines.kinds import kind_named
from radsmith.errors import InvalidInput
from radsmith.images.provenance import Settings

if TYPE_CHECKING:
    from radsmith.engines.engine import Engine, ModelFacts

Choice = Path | str | None
"""A model folder (None: the shipped one), or "KIND:WHERE", such as "diffusers:PATH_OR_ID"."""
DEFAULT = "default"
_DEFAULTS = (None, DEFAULT, "onnx")
_KINDS = "onnx, diffusers:PATH_OR_ID or openai:MODEL@BASE_URL"


def chosen(engine: str | None, model: Path | None) -> Choice:
    """What --engine and --model name. Raises InvalidInput for another kind, or for both."""
    if engine in _DEFAULTS:
        return model
    kind, _, where = (engine or "").partition(":")
    if kind in _DEFAULTS or not where:
        raise InvalidInput(f"an engine is {_KINDS}, got {engine!r}")
    kind_named(kind)
    if model is not None:
        raise InvalidInput("--model is a model of the default engine: leave out --engine or it")
    return engine


def named(where: str | Path | None) -> Choice:
    """What one name stands for: nothing for the shipped model, a path to a model, "KIND:WHERE".

    Raises InvalidInput for a kind that is not there.
    """
    if where is None or isinstance(where, Path) or Path(where).exists():
        return None if where is None else Path(where)
    kind, colon, _ = where.partition(":")
    if not colon or len(kind) < 2 or "/" in kind:  # a file that is missing, or a drive's letter
        return Path(where)
    return chosen(where, None)


def settings_for(
    choice: Choice,
    steps: int | None,
    guidance: float | None,
    sampler: str = Settings.sampler,
    size: tuple[int, int] | None = None,
) -> Settings:
    """Settings with the engine's usual steps and guidance where none are asked for."""
    usual = kind_named(_split(choice)[0]).usual
    return Settings(
        num_steps=usual[0] if steps is None else steps,
        guidance_scale=usual[1] if guidance is None else guidance,
        sampler=sampler,
        size=size,
    )


def model_name(choice: Choice = None) -> str:
    """The model's name, as its facts have it; that of the default engine without numpy."""
    kind, where = _split(choice)
    if kind != DEFAULT:
        return load_facts(choice).name
    folder = Path(where) if where else model_files.default_folder()
    return str(model_files.read_config(folder)["name"])


def load_facts(choice: Choice = None) -> ModelFacts:
    """What the engine says of itself, without loading its weights."""
    kind, where = _split(choice)
    return kind_named(kind).facts(where)


def load_engine(choice: Choice = None) -> Engine:
    """The engine, ready to draw.

    Raises NotFound for a missing model, InvalidInput for one that cannot be used, Unavailable
    where the extra it needs is not installed.
    """
    kind, where = _split(choice)
    return kind_named(kind).load(where)


def _split(choice: Choice) -> tuple[str, str]:
    if not isinstance(choice, str):
        return DEFAULT, "" if choice is None else str(choice)
    kind, _, where = choice.partition(":")
    return kind, where
