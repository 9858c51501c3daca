"""Are images what their records say? A sample is drawn again from seed and model, and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.engines.engine import Engine
from radsmith.errors import RadsmithError
from radsmith.generation.plan import make, plan
from radsmith.images.image import Image, quantize
from radsmith.images.provenance import Generation, Request, Settings
from radsmith.marks import watermark

LEVELS = 2
"""Of 8 bits: sums round otherwise on other machines."""
_SHARE = 99.9
"""Per cent of the pixels that must lie within LEVELS."""


@dataclass(frozen=True, kw_only=True)
class Again:
    """One comparison. apart: levels of 8 bits within which _SHARE % of the pixels lie.

    reason: why it could not be drawn again; then apart says nothing.
    """

    name: str
    apart: float = 0.0
    reason: str = ""

    @property
    def same(self) -> bool:
        """Whether it is the image that the record describes."""
        return not self.reason and self.apart <= LEVELS


def drawn_again(
    lines: Mapping[str, Mapping[str, Any]], engine: Engine, read: Callable[[str], Image]
) -> Iterator[Again]:
    """Draw the images of these provenance lines again. read: a path's picture, stored values."""
    for name, line in lines.items():
        record = Generation.from_json(_json(line["record"]))
        if record.operation != "generate":
            yield Again(name=name, reason="it is an edit: its source is needed to draw it again")
        elif record.model_digest != engine.facts.digest:
            yield Again(
                name=name,
                reason=f"it is of model {record.model} ({record.model_digest[:12]}…), not of the"
                " one at hand: name it with --model",
            )
        else:
            try:
                yield Again(name=name, apart=_apart(record, engine, read(name)))
            except RadsmithError as error:
                yield Again(name=name, reason=str(error))


def _apart(record: Generation, engine: Engine, there: Image) -> float:
    planned = plan(record.prompt or record.canonical_prompt, engine.facts)
    best = np.inf
    for size in (None, (record.width, record.height)):
        settings = Settings(
            num_steps=record.num_steps,
            guidance_scale=record.guidance_scale,
            sampler=record.sampler,
            size=size,
        )
        request = Request(prompt=record.prompt, seed=record.seed, settings=settings)
        image, _ = make(engine, planned, request, record.created)
        if image.pixels.shape == there.pixels.shape:
            best = min(best, _difference(image.pixels, there.pixels))
        if best <= LEVELS:
            break
    return best


def _difference(drawn: NDArray[np.generic], there: NDArray[np.generic]) -> float:
    bits = 8 * there.dtype.itemsize
    plain = drawn.astype(np.float64)
    apart = []
    for pixels in (plain, watermark.marked(plain).astype(np.float64)):  # it may have been marked
        levels = quantize(pixels, bits).astype(np.float64) - there.astype(np.float64)
        apart.append(float(np.percentile(np.abs(levels), _SHARE)) / (257 if bits == 16 else 1))
    return min(apart)


def _json(record: Mapping[str, Any]) -> str:
    import json

    return json.dumps(dict(record))
