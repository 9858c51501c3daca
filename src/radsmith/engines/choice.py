"""Which engine: the default model, a diffusers pipeline, or an images endpoint, by one name.

A `Choice` is what the options --engine and --model come to. It is a plain value, so that worker
processes build the same engine from it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from radsmith.engines import model_files
from radsmith.errors import InvalidInput
from radsmith.images.provenance import Settings

if TYPE_CHECKING:
    from radsmith.engines.engine import Engine, ModelFacts

Choice = Path | str | None
"""A model folder (None: the shipped one), or "diffusers:PATH_OR_ID" or "openai:MODEL@BASE_URL"."""
_KINDS = "onnx, diffusers:PATH_OR_ID or openai:MODEL@BASE_URL"
_OWN = (Settings.num_steps, Settings.guidance_scale)
_USUAL = {"onnx": _OWN, "diffusers": (30, 7.0), "openai": _OWN}
"""Steps and guidance where none are asked for; an endpoint takes neither."""


def chosen(engine: str | None, model: Path | None) -> Choice:
    """What --engine and --model name. Raises InvalidInput for another kind, or for both."""
    if engine is None or engine == "onnx":
        return model
    kind, _, where = engine.partition(":")
    if kind not in ("diffusers", "openai") or not where:
        raise InvalidInput(f"an engine is {_KINDS}, got {engine!r}")
    if model is not None:
        raise InvalidInput("--model is a model of the default engine: leave out --engine or it")
    return engine


def settings_for(
    choice: Choice,
    steps: int | None,
    guidance: float | None,
    sampler: str = Settings.sampler,
    size: tuple[int, int] | None = None,
) -> Settings:
    """Settings with the engine's usual steps and guidance where none are asked for."""
    usual = _USUAL[_split(choice)[0]]
    return Settings(
        num_steps=usual[0] if steps is None else steps,
        guidance_scale=usual[1] if guidance is None else guidance,
        sampler=sampler,
        size=size,
    )


def model_name(choice: Choice = None) -> str:
    """The model's name, as its facts have it; that of the default engine without numpy."""
    if _split(choice)[0] != "onnx":
        return load_facts(choice).name
    folder = choice if isinstance(choice, Path) else model_files.default_folder()
    return str(model_files.read_config(folder)["name"])


def load_facts(choice: Choice = None) -> ModelFacts:
    """What the engine says of itself, without loading its weights."""
    kind, where = _split(choice)
    if kind == "diffusers":
        from radsmith.engines.diffusers_engine import facts_of

        return facts_of(where)
    if kind == "openai":
        from radsmith.engines.openai_engine import Endpoint

        return Endpoint.parse(where).facts
    return model_files.load_facts(choice if isinstance(choice, Path) else None)


def load_engine(choice: Choice = None) -> Engine:
    """The engine, ready to draw.

    Raises NotFound for a missing model, InvalidInput for one that cannot be used, Unavailable
    where the extra it needs is not installed.
    """
    kind, where = _split(choice)
    if kind == "diffusers":
        from radsmith.engines.diffusers_engine import load_diffusers

        return load_diffusers(where)
    if kind == "openai":
        from radsmith.engines.openai_engine import Endpoint, OpenAIEngine

        return OpenAIEngine(Endpoint.parse(where))
    return model_files.load_engine(choice if isinstance(choice, Path) else None)


def _split(choice: Choice) -> tuple[str, str]:
    if not isinstance(choice, str):
        return "onnx", ""
    kind, _, where = choice.partition(":")
    return kind, where
