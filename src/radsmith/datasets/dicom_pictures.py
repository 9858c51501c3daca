"""Frames of DICOM objects as 8-bit pictures: read by `images.dicom`, shown as the file says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from radsmith.datasets.dicom_facts import dicom_facts
from radsmith.datasets.entry import WINDOWS, Facts, ct_windows, spread, windowed
from radsmith.errors import InvalidInput
from radsmith.images.colour import brightness, luma
from radsmith.images.dicom.decoding import Layout, decode, has_pixels, in_colour
from radsmith.images.dicom.geometry import aspect_of
from radsmith.images.dicom.grayscale import Grayscale
from radsmith.images.resize import resize

Clean = Callable[[NDArray[np.generic], bool], NDArray[np.generic]]
"""Frames, and whether their highest value is black, with text that is part of them masked."""
_FLAT = 32


def pictures_of_dicom(
    dataset: Dataset,
    indices: Sequence[int],
    facts_given: tuple[str, str],
    windows: Sequence[str],
    clean: Clean,
) -> Iterator[tuple[int, Facts, NDArray[np.uint8]]]:
    """Each frame asked for that is there, in each of its windows, with square pixels.

    facts_given: modality and body part where the file does not say.  Raises InvalidInput where no
    frame is there or one cannot be read truly.
    """
    if not has_pixels(dataset):
        raise InvalidInput("no pixels of integers")
    layout = Layout.of(dataset)
    chosen = [index for index in indices if index < layout.frames]
    if not chosen:
        raise InvalidInput(f"has {layout.frames} frames, promised {max(indices) + 1}")
    frames = in_colour(dataset, decode(dataset, chosen))
    frames = clean(frames, layout.photometric == "MONOCHROME1")
    for index, frame in zip(chosen, frames, strict=True):
        facts = dicom_facts(dataset, *facts_given, frame=index)
        aspect = aspect_of(dataset, index)
        for technique, pixels in _shown(dataset, index, frame, facts, windows):
            words = "; ".join(w for w in (technique, facts.technique) if w)
            shown, spacing = squared(pixels, aspect, facts.spacing)
            yield index, replace(facts, technique=words, spacing=spacing), shown


def _shown(
    dataset: Dataset,
    index: int,
    frame: NDArray[np.generic],
    facts: Facts,
    windows: Sequence[str],
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """The frame in each of its windows: CT by name, radiographs as the file says, else spread."""
    if frame.ndim == 3:
        plain = facts.modality == "ultrasound" and frame.dtype == np.uint8
        yield "", luma(frame) if plain else spread(brightness(frame))
        return
    meant = Grayscale.of(dataset, index)
    padded = meant.is_padding(frame)
    if facts.modality == "ct":
        units = meant.output(frame).astype(np.float32)
        for name in ct_windows(facts.body_part, windows):
            yield name, _without(padded, windowed(units, WINDOWS[name]))
        return
    eight_bits = bool(frame.max() <= 255 and frame.min() >= 0)
    if facts.modality == "ultrasound" and eight_bits and meant.is_linear:
        pixels = frame.astype(np.uint8)
    else:
        shown = meant.shown(frame) if facts.modality == "x-ray" else None
        values = meant.output(frame)
        known = None if padded is None or padded.all() else ~padded
        pixels = spread(values, known)
        if shown is not None:
            exact = np.rint(shown * 255).astype(np.uint8)
            missed = int(exact.max()) - int(exact.min()) < _FLAT  # the file's window
            pixels = pixels if missed else exact
    yield "", _without(padded, 255 - pixels if meant.inverted else pixels)


def _without(padded: NDArray[np.bool_] | None, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Padding is shown black, whatever its value and the polarity."""
    return pixels if padded is None else np.where(padded, np.uint8(0), pixels)


def squared(
    pixels: NDArray[np.uint8], aspect: float, spacing: tuple[float, float] | None
) -> tuple[NDArray[np.uint8], tuple[float, float] | None]:
    """The picture with square pixels, enlarged along the coarser side, and its spacing in mm.

    aspect: height of a pixel over its width.
    """
    if abs(aspect - 1) <= 0.01 or min(pixels.shape) < 2:
        return pixels, spacing
    height, width = pixels.shape
    rows, columns = round(height * max(1.0, aspect)), round(width * max(1.0, 1 / aspect))
    even = resize(pixels.astype(np.float32), columns, rows)
    if spacing is not None:
        spacing = spacing[0] * height / rows, spacing[1] * width / columns
    return np.rint(np.clip(even, 0, 255)).astype(np.uint8), spacing
