"""Kinds of engines by name: this package's own and those that other packages bring.

A kind is an entry point of the group `radsmith.engines`. It names an `EngineKind`, or a plain
function `load(where) -> Engine`, where `where` is what stands behind the colon: a package with

    [project.entry-points."radsmith.engines"]
    monai = "radmonai:load"

serves `--engine monai:./ldm`. This package's own stand in the same group, in its pyproject.toml;
they are read from the table below, as looking through all that is installed takes a while.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

from radsmith.errors import InvalidInput, Unavailable
from radsmith.images.provenance import Settings

if TYPE_CHECKING:
    from radsmith.engines.engine import Engine, ModelFacts

GROUP: Final = "radsmith.engines"
OWN: Final = {
    "default": "radsmith.engines.own_kinds:DEFAULT",
    "diffusers": "radsmith.engines.own_kinds:DIFFUSERS",
    "openai": "radsmith.engines.own_kinds:OPENAI",
}


@dataclass(frozen=True, kw_only=True)
class EngineKind:
    """A kind of engine.

    load: the engine of what stands behind the colon, ready to draw.  facts: what that says of
    itself, without loading its weights.  usual: steps and guidance where none are asked for.
    """

    load: Callable[[str], Engine]
    facts: Callable[[str], ModelFacts]
    usual: tuple[int, float] = (Settings.num_steps, Settings.guidance_scale)


def kind_named(name: str) -> EngineKind:
    """The kind of this name.

    Raises InvalidInput for one that no installed package brings, Unavailable for one that cannot
    be imported.
    """
    place = OWN.get(name) or _installed().get(name)
    if place is None:
        known = ", ".join(sorted({*OWN, *_installed()}))
        raise InvalidInput(
            f"an engine is KIND:WHERE, and of the kinds there are {known}, got {name!r}: another"
            f" comes with a package that has an entry point of the group {GROUP}"
        )
    try:
        module, _, attribute = place.partition(":")
        kind = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise Unavailable(
            f"the engine {name!r} ({place}) cannot be imported: {error}; install its package again"
        ) from error
    if isinstance(kind, EngineKind):
        return kind
    if not callable(kind):
        raise InvalidInput(f"the engine {name!r} ({place}) is no function load(where)")
    return EngineKind(load=kind, facts=lambda where: kind(where).facts)


def _installed() -> dict[str, str]:
    """Where the kinds of other packages are: name to "MODULE:ATTRIBUTE"."""
    from importlib.metadata import entry_points  # takes a while to import, and to look through

    return {point.name: point.value for point in entry_points(group=GROUP)}
