"""What filling a hole costs beside generating an image.

Ratios within one run and round by round, since machines are noisy. Prints Markdown for
docs/benchmarks.md.
"""

from __future__ import annotations

import time

import numpy as np
from threadpoolctl import threadpool_limits

from radsmith.engines.engine import Ask, Given
from radsmith.engines.model_files import load_engine
from radsmith.generation.plan import plan

PROMPT = "chest x-ray, PA view, adult, normal"
HOLE = 256
SIDES = (256, 512, 1024, 2048)
ROUNDS = 15


def with_hole(side: int) -> Given:
    """A pattern of side x side pixels with a hole of 256x256 in its middle; at 256, nearly all."""
    y, x = np.mgrid[:side, :side] / side
    pixels = ((np.sin(9 * x) * np.cos(7 * y) + 1) / 2).astype(np.float32)
    mask = np.zeros((side, side), np.bool_)
    first = (side - HOLE) // 2
    mask[first : first + HOLE, first : first + HOLE] = True
    if side == HOLE:
        mask[:8] = False  # else it is plain generation
    return Given(pixels=pixels, mask=mask)


def ratios() -> dict[str, tuple[float, float]]:
    """Core-seconds, and the share of an image's, by image side and whether there is a prompt."""
    engine = load_engine()
    concepts = plan(PROMPT, engine.facts).concepts
    cases = {f"{side}x{side}": (with_hole(side), concepts) for side in SIDES}
    cases |= {f"{side}x{side}, no prompt": (with_hole(side), ()) for side in SIDES}
    spent: dict[str, list[float]] = {name: [] for name in ("image", *cases)}
    with threadpool_limits(1):
        for seed in range(ROUNDS + 1):
            began = time.process_time()
            engine.generate(Ask(concepts=concepts, seed=seed))
            spent["image"].append(time.process_time() - began)
            for name, (given, words) in cases.items():
                began = time.process_time()
                engine.fill(given, Ask(concepts=words, seed=seed))
                spent[name].append(time.process_time() - began)
    image = np.array(spent["image"][1:])
    return {
        name: (float(np.median(s[1:])), float(np.median(np.array(s[1:]) / image)))
        for name, s in spent.items()
    }


def main() -> None:
    """Measure and print."""
    print("| what | core-s | images |\n|---|---|---|")
    for name, (cost, share) in ratios().items():
        what = "one image of 256x256" if name == "image" else f"256x256 hole of {name}"
        print(f"| {what} | {cost:.3f} | {share:.2f} |")


if __name__ == "__main__":
    main()
