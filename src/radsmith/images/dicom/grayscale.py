"""From stored values to output units (HU …) and to what is shown: PS3.3 C.11.1 and C.11.2.

The one opinion on rescale, Modality LUT, VOI LUT, windows, padding and polarity, of each frame by
itself. Where pydicom has a function for it (`apply_rescale`, `apply_modality_lut`,
`apply_voi_lut`), `output` and `shown` equal it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from radsmith.errors import InvalidInput
from radsmith.images.dicom.decoding import Layout
from radsmith.images.dicom.geometry import attribute, number

Function = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]
_REAL = "PixelValueTransformationSequence"
_VOI = "FrameVOILUTSequence"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A look-up table: `values` for inputs from `first`; beyond its ends, those of its ends.

    most: the largest value that its bits can say.
    """

    first: int
    values: NDArray[np.uint16]
    most: int

    def of(self, inputs: NDArray[Any]) -> NDArray[np.uint16]:
        """Values for the whole part of each input."""
        at = np.clip(inputs.astype(np.int64) - self.first, 0, len(self.values) - 1)
        return self.values[at]


@dataclass(frozen=True, kw_only=True)
class VoiWindow:
    """Center and width in output units, and how they are meant (PS3.3 C.11.2.1.2 and .3)."""

    center: float
    width: float
    function: Function = "LINEAR"

    def of(self, output: NDArray[np.float64]) -> NDArray[np.float64]:
        """0 (black) to 1 (white)."""
        if self.function == "SIGMOID":
            with np.errstate(over="ignore"):
                return np.asarray(1 / (1 + np.exp(-4 * (output - self.center) / self.width)))
        low, high = self.span
        if high <= low:
            return (output > low).astype(np.float64)
        return np.clip((output - low) / (high - low), 0, 1)

    @property
    def span(self) -> tuple[float, float]:
        """Output values that become black and white; of a sigmoid, about."""
        linear = self.function == "LINEAR"
        center, width = (self.center - 0.5, self.width - 1) if linear else (self.center, self.width)
        return center - width / 2, center + width / 2


@dataclass(frozen=True, kw_only=True)
class Grayscale:
    """How one frame's stored values are meant.

    slope, intercept: to output units, where no Modality LUT (`modality`) does it.  voi, window: the
    first of each; a VOI LUT goes before a window.  padding: stored values from, to, which are no
    image.  inverted: MONOCHROME1, the lowest value shown is white.  least, most: what may be
    stored.
    """

    slope: float
    intercept: float
    rescale_type: str
    modality: Table | None
    voi: Table | None
    window: VoiWindow | None
    padding: tuple[int, int] | None
    inverted: bool
    least: int
    most: int

    @classmethod
    def of(cls, dataset: Dataset, frame: int = 0) -> Grayscale:
        """What a data set says of a frame (from 0). Raises InvalidInput for broken tables."""
        layout = Layout.of(dataset)
        slope, intercept = (
            number(attribute(dataset, _REAL, f"Rescale{name}", frame))
            for name in ("Slope", "Intercept")
        )
        if slope == 0:
            raise InvalidInput(
                "its RescaleSlope is 0: no value can be told from it; export it again"
            )
        half = 1 << (layout.stored - 1)
        return cls(
            slope=1.0 if slope is None else slope,
            intercept=intercept or 0.0,
            rescale_type=str(attribute(dataset, _REAL, "RescaleType", frame) or ""),
            modality=_table(dataset, "ModalityLUTSequence"),
            voi=_table(dataset, "VOILUTSequence"),
            window=_window(dataset, frame),
            padding=_padding(dataset),
            inverted=layout.photometric == "MONOCHROME1",
            least=-half if layout.signed else 0,
            most=half - 1 if layout.signed else 2 * half - 1,
        )

    def output(self, stored: NDArray[np.generic]) -> NDArray[np.float64]:
        """Stored values in output units: HU for CT."""
        if self.modality is not None:
            return self.modality.of(stored).astype(np.float64)
        return stored.astype(np.float64) * self.slope + self.intercept

    def shown(self, stored: NDArray[np.generic]) -> NDArray[np.float64] | None:
        """0 to 1 by the VOI LUT, else the window; None without either. Not yet inverted."""
        if self.voi is not None:
            return self.voi.of(self.output(stored)) / self.voi.most
        return None if self.window is None else self.window.of(self.output(stored))

    def is_padding(self, stored: NDArray[np.generic]) -> NDArray[np.bool_] | None:
        """Where there is no image; None where the file names no padding."""
        if self.padding is None:
            return None
        values: NDArray[Any] = stored
        return np.asarray((values >= self.padding[0]) & (values <= self.padding[1]))

    @property
    def is_linear(self) -> bool:
        """Whether a slope, an intercept and a linear window are all there is."""
        sigmoid = self.window is not None and self.window.function == "SIGMOID"
        return self.modality is None and self.voi is None and not sigmoid

    def curve(self) -> NDArray[np.float32]:
        """What is shown, 0 to 1, of every value from `least` to `most`: at most 65536 of them.

        Raises InvalidInput where it goes up and down: nothing drawn could be written back.
        """
        every = np.arange(self.least, self.most + 1)
        shown = self.shown(every)
        if shown is None:
            output = self.output(every)
            shown = (output - output.min()) / max(float(np.ptp(output)), 1e-9)
        steps = np.diff(shown)
        if (steps < 0).any() and (steps > 0).any():
            raise InvalidInput("its look-up table goes up and down, so that it cannot be edited")
        return shown.astype(np.float32)


def _window(dataset: Dataset, frame: int) -> VoiWindow | None:
    """The first window; None where it is absent or nonsense. One narrower than 1 cannot be meant
    as LINEAR, which takes 1 from it: it is exact."""
    center = number(attribute(dataset, _VOI, "WindowCenter", frame))
    width = number(attribute(dataset, _VOI, "WindowWidth", frame))
    if center is None or width is None or width <= 0:
        return None
    said = str(attribute(dataset, _VOI, "VOILUTFunction", frame) or "LINEAR").strip().upper()
    if said not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        raise InvalidInput(f"its VOI LUT Function {said[:20]!r} is not known to DICOM")
    function: Any = "LINEAR_EXACT" if said == "LINEAR" and width < 1 else said
    return VoiWindow(center=center, width=width, function=function)


def _table(dataset: Dataset, keyword: str) -> Table | None:
    """The first item of a LUT sequence. Raises InvalidInput for one that contradicts itself."""
    items: Any = dataset.get(keyword) or ()
    if not len(items):
        return None
    try:
        count, first, bits = (int(v) for v in items[0].LUTDescriptor)
        data: Any = items[0].LUTData
        big = dataset.original_encoding[1] is False
        values = _entries(data, count or 1 << 16, ">" if big else "<")
        if not (8 <= bits <= 16 and len(values) == (count or 1 << 16)):
            raise ValueError(f"{len(values)} entries of {bits} bits")
    except (AttributeError, TypeError, ValueError) as error:
        name = "Modality LUT" if keyword.startswith("M") else "VOI LUT"
        raise InvalidInput(f"its {name} is broken ({error}); export it again") from error
    if int(dataset.get("PixelRepresentation") or 0) and first > 32767:
        first -= 1 << 16
    return Table(first=first, values=values, most=(1 << bits) - 1)


def _entries(data: Any, count: int, order: str) -> NDArray[np.uint16]:
    """Entries of LUT Data, whether it came as words, as bytes of words, or as packed bytes."""
    if isinstance(data, bytes):
        if len(data) in (count, count + 1) and len(data) < 2 * count:
            return np.frombuffer(data[:count], np.uint8).astype(np.uint16)
        return np.frombuffer(data[: 2 * count], f"{order}u2").astype(np.uint16)
    listed = data if isinstance(data, Sequence) or hasattr(data, "__len__") else [data]
    return np.asarray([int(v) & 0xFFFF for v in cast(Any, listed)], np.uint16)


def _padding(dataset: Dataset) -> tuple[int, int] | None:
    """Pixel Padding Value, and Range Limit where there is one (PS3.3 C.7.5.1.1.2)."""
    first, last = (number(dataset.get(f"PixelPadding{n}")) for n in ("Value", "RangeLimit"))
    if first is None:
        return None
    ends = int(first), int(first if last is None else last)
    return min(ends), max(ends)
