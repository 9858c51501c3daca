"""Checks of a picture before people look: each a score that rises with suspicion, NaN where it
cannot look. Pixels are (height, width) in 0-1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from radsmith.evaluation.copies import nearest, variants
from radsmith.evaluation.features import Space
from radsmith.evaluation.judge import Judgement

Pixels = NDArray[np.floating]
BINS = 64
LEAST_REAL = 20
"""Real images of a kind below which nothing is said of what is usual for it."""
HU = (-1024.0, 3071.0)
"""What a 12-bit CT holds."""
CHECKS = (
    "blank", "bars", "clipped", "colour", "hu_range", "histogram", "agreement", "side", "marker",
    "copy", "unusual",
)  # fmt: skip


def blank(pixels: Pixels) -> float:
    """Share of the commonest 8-bit level: near 1 nothing is shown."""
    levels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.int64)
    return float(np.bincount(levels.ravel()).max() / levels.size)


def bars(pixels: Pixels) -> float:
    """Share of rows or columns at the edges that are flat, as a letterbox leaves them."""
    found = 0.0
    for lines in (pixels, pixels.T):
        flat = np.ptp(lines, axis=1) < 1 / 255
        where = np.flatnonzero(~flat)
        inside = where[-1] - where[0] + 1 if len(where) else 0
        found = max(found, 1 - inside / len(lines))
    return float(found)


def clipped(pixels: Pixels) -> float:
    """Share of pixels at white: burnt out. Black is the air around a body."""
    return float((pixels >= 1 - 0.5 / 255).mean())


def outside_hu(values: NDArray[np.floating]) -> float:
    """Share of CT values in HU that no 12-bit scanner gives."""
    return float(((values < HU[0]) | (values > HU[1])).mean())


def histogram(pixels: Pixels) -> NDArray[np.float64]:
    """Cumulative shares of BINS gray levels."""
    counts, _ = np.histogram(np.clip(pixels, 0, 1), BINS, (0, 1))
    return np.cumsum(counts) / counts.sum()


def histogram_distance(pixels: Pixels, real: NDArray[np.float64]) -> float:
    """Earth mover's distance to the nearest of the real images' histograms; NaN for few.

    real: (n, BINS) of `histogram`.
    """
    if len(real) < LEAST_REAL:
        return float("nan")
    return float(np.abs(real - histogram(pixels)).mean(1).min())


def disagreement(judged: Judgement, concepts: Sequence[str], absent: Sequence[str]) -> float:
    """1 less the judge's probability of the least believed thing that the prompt says."""
    known = judged.probability
    shares = [float(known[c][0]) for c in concepts if c in known and not c.startswith("side:")]
    shares += [1 - float(known[c][0]) for c in absent if c in known]
    return 1 - min(shares) if shares else float("nan")


def wrong_side(judged: Judgement, side: str | None) -> float:
    """The judge's probability of another side than the one asked for."""
    if side is None or side not in judged.probability:
        return float("nan")
    return 1 - float(judged.probability[side][0])


def wrong_marker(markers: Sequence[tuple[float, str]], side: str | None, *, frontal: bool) -> float:
    """1 where a marker burned in contradicts what is shown, 0 where all agree, NaN without any.

    markers: where each is, as a share of the width from the left, and "left" or "right".  side:
    the limb's, where one is asked for.  frontal: the patient faces the reader, his right side
    left.
    """
    if side is not None:
        wrong = [word != side.removeprefix("side:") for _, word in markers]
    elif frontal:
        wrong = [(at < 0.5) != (word == "right") for at, word in markers]
    else:
        return float("nan")
    return float(any(wrong)) if wrong else float("nan")


def nearness(pixels: Pixels, real: NDArray[np.floating], space: Space) -> float:
    """Minus the distance to the nearest real image, mirrored and cropped looked at too."""
    if len(real) < LEAST_REAL:
        return float("nan")
    distance, _ = nearest(_directions(real), _directions(variants([pixels], space)))
    return -float(distance[0])


def strangeness(feature: NDArray[np.floating], real: NDArray[np.floating], k: int = 5) -> float:
    """Mean distance to the k nearest real images of the kind in the judge's features."""
    if len(real) < LEAST_REAL:
        return float("nan")
    apart = np.linalg.norm(real.astype(np.float64) - feature, axis=1)
    return float(np.sort(apart)[:k].mean())


def _directions(features: NDArray[np.floating]) -> NDArray[np.float64]:
    centred = features - features.mean(-1, keepdims=True, dtype=np.float64)
    length = np.maximum(np.linalg.norm(centred, axis=-1, keepdims=True), 1e-12)
    return np.asarray(centred / length)
