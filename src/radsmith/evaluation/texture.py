"""The choosing space: what an image is like octave by octave, in closed form, nothing learned.

Training compares checkpoints in it, so that the judge and the encoders of `evaluate` stay unused
until a model is measured.  Local energies of oriented derivatives over a pyramid, as in texture
models (Portilla and Simoncelli 2000, section 2): what blur, haze and grain change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from radsmith.errors import InvalidInput
from radsmith.evaluation.features import Images
from radsmith.evaluation.metrics import Interval, kernel_distance
from radsmith.images.image import Array
from radsmith.images.letterbox import SIDE, letterboxed
from radsmith.images.resize import enlarge

SIDES = (16, 32, 64, 128, 256)
"""Octaves are named by the side of the smallest image that holds them."""
COARSE, GRID = 8, 4
"""Sides of the gray image at the top of the pyramid, and of the grid energies are pooled on."""
DIRECTIONS = ((0, 1), (1, 1), (1, 0), (1, -1))
FAINTEST = (1 / 255) ** 2
"""Energy that is added to all: structure fainter than one of 256 gray levels is not seen."""
FARTHEST = 5.0
"""Standardised coordinates are cut off there, so that no single one rules a distance."""
_LEAST_SPREAD = 0.1
_FAINT_LOGS = 0.01
_GRAY, _ALIKE = 4.0, 4.0
"""Units that bring the spreads of gray levels and correlations near those of log energies."""


@dataclass(frozen=True, kw_only=True)
class Standard:
    """Units of the choosing space: mean and spread (d,) of a set of real images' features."""

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]

    @classmethod
    def of(cls, features: NDArray[np.floating]) -> Standard:
        """From the features (n, d) of real images, of one kind or of all that are compared.

        Where generated images are smaller than 256 and were enlarged, take real images shrunk and
        enlarged alike: a spread of octaves that are not there any more is another one.
        Raises InvalidInput for fewer than two images.
        """
        if features.ndim != 2 or len(features) < 2:
            raise InvalidInput(f"a spread needs features (n, d) of 2 images, got {features.shape}")
        mean = features.mean(0, dtype=np.float64)
        return cls(
            mean=mean,
            spread=np.maximum(features.std(0, dtype=np.float64), _LEAST_SPREAD),
        )

    def apply(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Features (n, d) in spreads from the mean, -FARTHEST to FARTHEST."""
        return np.clip((features - self.mean) / self.spread, -FARTHEST, FARTHEST)


def describe(image: NDArray[np.floating]) -> Array:
    """The descriptor (d,) of an image (height, width) in 0-1; `blocks` says what is where."""
    square = image if image.shape == (SIDE, SIDE) else letterboxed(image, SIDE)
    level = np.asarray(square, np.float32)
    if not np.isfinite(level).all():
        raise InvalidInput("the image must be finite: it holds NaN or infinite pixels")
    found: dict[int, tuple[Array, Array]] = {}
    for side in reversed(SIDES):
        below = _halved(level)
        band = level - enlarge(below, 2)
        found[side] = band, _energies(band)
        level = below
    octaves = [found[side] for side in SIDES]
    parts = [_GRAY * level.ravel(), *(_pooled(logs) for _, logs in octaves)]
    return np.concatenate([*parts, _ALIKE * _relations(octaves)])


def texture_space(images: Images) -> Array:
    """Descriptors (n, d) of images: a `features.Space`."""
    return np.stack([describe(image) for image in images])


def blocks() -> Mapping[str, slice]:
    """Where its parts lie in a descriptor: "coarse", the energies of "16" to "256", "relations"."""
    each = len(DIRECTIONS) * GRID**2 * 2
    pairs = len(list(combinations(DIRECTIONS, 2)))
    relations = len(SIDES) * (pairs + 1) + (len(SIDES) - 1) * (len(DIRECTIONS) + 1)
    found, start = {}, 0
    names = ("coarse", *map(str, SIDES), "relations")
    for name, size in zip(names, (COARSE**2, *[each] * len(SIDES), relations), strict=True):
        found[name] = slice(start, start + size)
        start += size
    return found


def texture_distance(
    real: NDArray[np.floating],
    generated: NDArray[np.floating],
    standard: Standard,
    part: str | None = None,
    resamples: int = 200,
) -> Interval:
    """KID of two sets of descriptors (n, d) in the spreads of `standard`.

    standard: of real images that are in neither set, or of more than these, lest the floor be
    biased.  part: one of `blocks` alone, such as an octave.
    """
    one, two = standard.apply(real), standard.apply(generated)
    if part is not None:
        if part not in blocks():
            raise InvalidInput(f"no part {part!r} of a descriptor: there are {', '.join(blocks())}")
        one, two = one[:, blocks()[part]], two[:, blocks()[part]]
    return kernel_distance(one, two, np.random.default_rng(0), resamples)


def choosing_figure(
    real: NDArray[np.floating],
    generated: NDArray[np.floating],
    standard: Standard,
    parts: Sequence[str] | None = None,
) -> float:
    """One figure to choose checkpoints by, 0 where nothing tells the sets apart: less is better.

    The mean over parts (`blocks`, or those named) of log(1 + KID), so that the finest octave,
    where a KID is easily a thousand times that of the coarsest, does not rule alone.
    """
    found = [
        texture_distance(real, generated, standard, part, resamples=0).estimate
        for part in (blocks() if parts is None else parts)
    ]
    return float(np.mean(np.log1p(np.maximum(found, 0))))


def _energies(band: Array) -> Array:
    """Log energy along each direction: (directions, side / 2, side / 2).

    First and second differences together, so that it does not swing with the phase.
    """
    wide = np.pad(band, 1, mode="edge")
    side = len(band)
    found = np.empty((len(DIRECTIONS), side, side), np.float32)
    for energy, (down, over) in zip(found, DIRECTIONS, strict=True):
        ahead = wide[1 + down : 1 + down + side, 1 + over : 1 + over + side]
        behind = wide[1 - down : 1 - down + side, 1 - over : 1 - over + side]
        odd, even = ahead - behind, band - np.float32(0.5) * (ahead + behind)
        np.add(np.float32(0.25) * odd * odd, np.float32(0.25) * even * even, out=energy)
    return np.log(_halved(found) + np.float32(FAINTEST))


def _halved(images: Array) -> Array:
    """Mean of 2x2 pixels of (..., height, width)."""
    rows = images[..., ::2, :] + images[..., 1::2, :]
    return np.float32(0.25) * (rows[..., ::2] + rows[..., 1::2])


def _cells(logs: Array) -> Array:
    """(directions, cells, pixels of a cell) of (directions, side, side)."""
    count, side = logs.shape[0], logs.shape[1]
    cell = side // GRID
    cut = logs.reshape(count, GRID, cell, GRID, cell).swapaxes(2, 3)
    return cut.reshape(count, GRID**2, cell**2)


def _pooled(logs: Array) -> Array:
    cells = _cells(logs)
    return np.concatenate([cells.mean(2).ravel(), cells.std(2).ravel()])


def _relations(octaves: list[tuple[Array, Array]]) -> Array:
    """Likeness of directions, skewness of each octave, and how octaves hang together."""
    found: list[float] = []
    for band, logs in octaves:
        found += [_alike(a, b, _FAINT_LOGS) for a, b in combinations(_local(logs), 2)]
        flat = band.ravel()
        square = flat * flat
        found.append(float(flat @ square / len(flat) / (square.mean() + FAINTEST) ** 1.5))
    for (band, logs), (finer, finer_logs) in pairwise(octaves):
        found.append(_alike(band.ravel(), _halved(np.abs(finer)).ravel(), FAINTEST))
        pairs = zip(_local(logs), _local(_halved(finer_logs)), strict=True)
        found += [_alike(one, two, _FAINT_LOGS) for one, two in pairs]
    return np.array(found, np.float32)


def _local(logs: Array) -> Array:
    """Departures from the means of cells: (directions, pixels)."""
    cells = _cells(logs)
    return (cells - cells.mean(2, keepdims=True)).reshape(len(cells), -1)


def _alike(one: Array, two: Array, faint: float) -> float:
    """Correlation through the origin; near 0 where their mean squares are below `faint`."""
    size = float(np.sqrt((one @ one) * (two @ two)))
    return float(one @ two) / (size + len(one) * faint)
