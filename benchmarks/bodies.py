"""Bodies that `extend` continues from knees, chests and others: do frames meet?

At every edge of every frame that lies inside the body, the mean of three pixels on its one side
less that of its other; the same along lines through the middle of frames, where nothing meets.
Prints Markdown for docs/benchmarks.md, writes the bodies as one picture.  usage: bodies.py PICTURE
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radsmith.editing.body_map import outward, places, size_of
from radsmith.editing.body_sketch import sketch
from radsmith.editing.extend import _canvas, _start, extend
from radsmith.editing.operations import Task
from radsmith.editing.source import Source
from radsmith.engines.model_files import load_engine
from radsmith.generation.plan import make, plan
from radsmith.images.contact_sheet import Tile, contact_sheet
from radsmith.images.provenance import Request

STARTS = (
    "right knee x-ray, adult, normal",
    "left knee x-ray, adult, severe osteoarthritis",
    "knee x-ray, adult male",
    "chest x-ray, PA view, adult, normal",
    "chest x-ray, PA view, adult male",
    "chest x-ray, AP view, child",
    "right forearm x-ray, AP view",
    "pelvis x-ray, AP view",
    "skull x-ray, AP view",
    "right shoulder x-ray",
)
BESIDE = 3
"""Pixels on each side of a line that are compared."""
RUN = 8
"""Pixels along a line over which a step is averaged."""


def steps(pixels: NDArray[np.float64], inside: NDArray[np.bool_], row: int) -> NDArray[np.float64]:
    """Steps across a row, averaged over RUN columns, where all of both sides is in the body."""
    if not BESIDE <= row <= len(pixels) - BESIDE:
        return np.empty(0)
    above, below = (slice(row - BESIDE, row), slice(row, row + BESIDE))
    whole = inside[above].all(0) & inside[below].all(0)
    found = pixels[above].mean(0) - pixels[below].mean(0)
    kept = [
        abs(found[i : i + RUN].mean())
        for i in range(0, len(found) - RUN, RUN)
        if whole[i : i + RUN].all()
    ]
    return np.array(kept)


def main() -> None:
    """Extend, measure, print."""
    engine = load_engine()
    print("| from | frames | at edges of frames | elsewhere | ratio |\n|---|---|---|---|---|")
    tiles = []
    for seed, text in enumerate(STARTS):
        planned = plan(text, engine.facts)
        request = Request(prompt=text, seed=seed)
        image, record = make(engine, planned, request, "")
        source, shown = Source(image=replace(image, spacing=None)), planned.prompt
        found = extend(
            source, shown, "body", Task(engine=engine, planned=planned, request=request, created="")
        )
        person = ((c or "").partition(":")[2] for c in (shown.sex, shown.age_group))
        of = dict(zip(("sex", "age_group"), person, strict=True))
        body = places(**of)
        start = _start(shown, body)
        frames = outward(start, "body", body)
        canvas = _canvas(source, shown, start, frames)
        height, width = found.image.pixels.shape
        x = canvas.corner[0] + (np.arange(width) + 0.5) * canvas.spacing[1]
        y = canvas.corner[1] + (np.arange(height) + 0.5) * canvas.spacing[0]
        inside = sketch(x, y, size_of(**of)).inside > 0.99
        pixels = np.asarray(found.image.pixels, np.float64)
        at, beside = [], []
        for place in frames:
            rows, columns = canvas.span(place.box)
            for part, shape, first, last in (
                (pixels, inside, rows, columns),
                (pixels.T, inside.T, columns, rows),
            ):
                cut, own = part[:, last], shape[:, last]
                at += [steps(cut, own, first.start), steps(cut, own, first.stop)]
                beside.append(steps(cut, own, (first.start + first.stop) // 2))
        edge, other = (float(np.concatenate(s).mean()) for s in (at, beside))
        print(
            f"| {text} | {len(frames)} | {edge:.3f} | {other:.3f} | {edge / other:.2f} |",
            flush=True,
        )
        tiles.append(Tile(image=found.image, caption=text, record=record))
    Path(sys.argv[1]).write_bytes(contact_sheet(tiles, columns=5, tile=512, title="bodies"))


if __name__ == "__main__":
    main()
