"""What an audit is asked: the sets, the spaces that may score them, how much is looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from radsmith.engines.engine import Engine
from radsmith.errors import InvalidInput
from radsmith.evaluation.audit.search import AuditSpace, Fill
from radsmith.evaluation.audit.sets import ImageSet


@dataclass(frozen=True, kw_only=True)
class AuditOptions:
    """planted: copies of each change.  null: held-out images at most, and per kind at least 300
    where there are.  matched: images a side for membership inference.  by_model: ask the engine
    too, not the images alone."""

    planted: int = 20
    null: int = 4000
    matched: int = 400
    by_model: bool = False
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What is compared: three sets, and how."""

    synthetic: ImageSet
    training: ImageSet
    held_out: ImageSet
    spaces: Sequence[AuditSpace]
    engine: Engine
    took_part: Mapping[str, str]
    """Digest -> what for: networks that made or filtered the synthetic images."""
    fill: Fill | None = None
    """Makes features by other workers before they are searched; None: made here when needed."""


def independent(
    spaces: Sequence[AuditSpace], took_part: Mapping[str, str]
) -> tuple[list[AuditSpace], list[dict[str, str]]]:
    """The spaces that may score these images, and those left out with the reason.

    A network that made or filtered the images would praise its own work: it never scores them.
    """
    kept = [space for space in spaces if space.digest not in took_part]
    refused = [
        {"name": s.name, "digest": s.digest, "reason": took_part[s.digest]}
        for s in spaces
        if s.digest in took_part
    ]
    if not kept:
        raise InvalidInput(
            "every feature space took part in making or filtering these images: give another"
            " encoder with --features"
        )
    return kept, refused
