"""What is known of an image beside its pixels: the one place that knows its columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import Row

from radsmith.editing.dicom import Origin


@dataclass(frozen=True, kw_only=True)
class About:
    """An image but for its pixels. record: provenance as JSON.

    spacing: between rows and columns, mm.  window: centre and width, in stored values, or in HU
    over the whole range of an intensity.  bits: of stored values.  inverted: their lowest is white.
    origin: of an image that came from DICOM.  place: x, y of its parent in an image that continues
    it.
    """

    unit: str
    width: int
    height: int
    spacing: tuple[float, float] | None
    window: tuple[float, float] | None
    record: str
    bits: int = 16
    inverted: bool = False
    origin: Origin | None = None
    place: tuple[int, int] | None = None

    def columns(self) -> dict[str, Any]:
        """As the table of images has it."""
        row, column = self.spacing or (None, None)
        center, width = self.window or (None, None)
        x, y = self.place or (None, None)
        origin = self.origin
        return {
            "unit": self.unit,
            "width": self.width,
            "height": self.height,
            "spacing": row,
            "column_spacing": column,
            "window_center": center,
            "window_width": width,
            "record": self.record,
            "bits": self.bits,
            "inverted": int(self.inverted),
            "modality": origin.modality if origin else None,
            "rescale_slope": origin.slope if origin else None,
            "rescale_intercept": origin.intercept if origin else None,
            "place_x": x,
            "place_y": y,
        }

    @classmethod
    def of(cls, row: Row[Any], **more: Any) -> Self:
        """From a row of that table. more: fields of a subclass."""
        column = row.spacing if row.column_spacing is None else row.column_spacing
        origin = None
        if row.modality is not None:
            origin = Origin(
                modality=row.modality, slope=row.rescale_slope, intercept=row.rescale_intercept
            )
        return cls(
            unit=row.unit,
            width=row.width,
            height=row.height,
            spacing=None if row.spacing is None else (row.spacing, column),
            window=None if row.window_center is None else (row.window_center, row.window_width),
            record=row.record,
            bits=row.bits,
            inverted=bool(row.inverted),
            origin=origin,
            place=None if row.place_x is None else (row.place_x, row.place_y),
            **more,
        )
