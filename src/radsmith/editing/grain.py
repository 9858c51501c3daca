"""Grain: what is drawn gets the noise that the known pixels around it have, and it lacks.

A model draws what it is sure of, which is smooth; detectors and speckle are not. Noise is what two
bands of fine structure (within 3 and within 9 pixels) hold in the stillest places, so that anatomy
counts little; it is told apart by brightness, since speckle grows with it and black is still. What
the drawn pixels hold themselves, place by place, is taken off in squares. Arrays in, arrays out.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from radsmith.images.regions import around

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
_RADII = (0, 1, 4)
"""Means over squares of 1, 3 and 9 pixels: their differences are the bands."""
_REACH = 24
"""Pixels around the hole that are its neighbourhood."""
_LEVELS = 4
_FEWEST = 60
"""Known pixels of about one brightness, below which nothing is said of their noise."""
_LEAST = 1 / 512
"""Half of an 8-bit level: less than that is rounding."""
_AROUND = 7
"""Pixels on each side over which structure is averaged."""
_PLACES = (0.25, 0.75)
"""Noise is what the stillest quarter of places holds: anatomy is somewhere, noise everywhere."""
_UNEVEN, _EVEN = 0.45, 0.75
"""How much stiller than the liveliest quarter, as a share, texture and noise are at the least."""
_STREAM = 0x6761


@dataclass(frozen=True, kw_only=True)
class Grained:
    """values: (n,), what was drawn with its grain.  added: mean deviation of the grain, 0-1."""

    values: Array
    added: float


def grained(pixels: Array, drawn: Array, mask: Mask, seed: int) -> Grained:
    """Add the grain that the neighbourhood has and the drawn pixels lack.

    pixels: (height, width) in 0-1, known where mask is False.  drawn: (n,), where it is True, in
    the order of the mask.  seed: of the grain; the same gives the same.
    """
    unchanged = Grained(values=drawn, added=0.0)
    if mask.all() or not mask.any():
        return unchanged
    near = around(mask, _REACH)
    hole, known = near.of(mask), near.of(pixels)
    whole = known.copy()
    whole[hole] = drawn  # all of the mask lies in its neighbourhood, in the same order
    clear = ~hole & (_mean(hole.astype(np.float32), _RADII[-1]) < 1e-6)
    if clear.sum() < _FEWEST:
        return unchanged
    white = np.random.default_rng([_STREAM, seed]).standard_normal((len(_RADII) - 1, *hole.shape))
    made = [_bands(layer.astype(np.float32))[n] for n, layer in enumerate(white)]
    made = [layer / float(layer.std()) for layer in made]
    bright = _mean(whole, _RADII[-1])
    pairs = zip(_bands(whole), made, strict=True)
    lacks = np.stack([_lacking(band, one, bright, clear, hole) for band, one in pairs])
    if not lacks.any():
        return unchanged
    shares = np.array([[float(np.var(band)) for band in _bands(layer)] for layer in made])
    power = np.maximum(np.linalg.solve(shares.T, lacks**2), 0)
    grain = sum(np.sqrt(p) * layer[hole] for p, layer in zip(power, made, strict=True))
    values = np.clip(drawn + grain, 0, 1).astype(np.float32)
    return Grained(values=values, added=float(np.sqrt((lacks**2).sum(0).mean())))


def _bands(array: Array) -> list[Array]:
    """Fine structure, from the finest: differences of means over ever larger squares."""
    means = [_mean(array, radius) for radius in _RADII]
    return [fine - coarse for fine, coarse in pairwise(means)]


def _lacking(
    band: Array, made: Array, bright: Array, clear: Mask, hole: Mask
) -> NDArray[np.float64]:
    """Deviation that each pixel of the hole lacks in a band. made: noise of deviation 1 in it."""
    near, own, one = _local(band, clear), _local(band, hole), _local(made, clear)
    own_noise = np.quantile(one[clear], _PLACES)
    edges = np.quantile(bright[clear], np.linspace(0, 1, _LEVELS + 1))
    found = {}
    for low, high in pairwise(edges):
        inside = clear & (bright >= low) & (bright <= high)
        if inside.sum() >= _FEWEST // _LEVELS:
            still, usual = np.quantile(near[inside], _PLACES) / own_noise
            even = (still / max(float(usual), 1e-9) - _UNEVEN) / (_EVEN - _UNEVEN)
            found[float(np.median(bright[inside]))] = float(still * np.clip(even, 0, 1))
    places = sorted(found)
    target = np.interp(bright[hole], places, [found[place] for place in places])
    drawn = own[hole] / float(np.abs(made).mean())
    lacks = np.sqrt(np.maximum(target**2 - drawn**2, 0))
    return np.where(lacks < _LEAST, 0.0, lacks)


def _local(band: Array, where: Mask) -> Array:
    """The mean magnitude of what lies around each pixel, where `where` is True."""
    share = where.astype(np.float32)
    around_here = np.maximum(_mean(share, _AROUND), np.float32(1e-6))
    return np.asarray(_mean(np.abs(band) * share, _AROUND) / around_here, np.float32)


def _mean(array: Array, radius: int) -> Array:
    """Means over squares of 2 radius + 1 pixels; edges repeat."""
    if radius == 0:
        return array
    for axis in (0, 1):
        ends = [(radius + 1, radius) if n == axis else (0, 0) for n in (0, 1)]
        sums = np.pad(array.astype(np.float64), ends, mode="edge").cumsum(axis)
        length, width = array.shape[axis], 2 * radius + 1
        upper = np.take(sums, range(width, width + length), axis)
        array = (upper - np.take(sums, range(length), axis)) / width
    return np.asarray(array, np.float32)
