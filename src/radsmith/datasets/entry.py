"""A data set of one's own: entries, labels, the split by patient, which slices, which windows."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from radsmith.errors import InvalidInput
from radsmith.images.image import Window
from radsmith.images.provenance import UNREVIEWED
from radsmith.language.prompt import group_of_age
from radsmith.language.vocabulary import default_vocabulary

Split = Literal["train", "test"]
COLUMNS = (
    "key", "shard", "width", "height", "modality", "body_part", "view", "technique", "findings",
    "caption", "patient_id", "sex", "age", "laterality", "source", "origin", "age_group",
    "spacing", "labels", "digest", "alike", "series", "synthetic", "model_digest", "seed", "prompt",
    "review",
)  # fmt: skip
"""Of train.csv and test.csv. The first 17 are what `radsmith train` reads."""

VOCABULARY = "vocabulary.toml"
"""Concepts of a data set that the shipped vocabulary lacks, beside the manifest."""
OLDEST_SAID = 90
SMALLEST = 16
_THUMB = 32
_SAME = 0.96
WINDOWS: Mapping[str, Window] = {
    "lung window": Window(center=-600, width=1500),
    "soft-tissue window": Window(center=40, width=400),
    "bone window": Window(center=400, width=1800),
    "brain window": Window(center=40, width=80),
    "subdural window": Window(center=75, width=215),
    "liver window": Window(center=60, width=160),
}
"""CT windows by the words of the manifest's column `technique`, in HU."""

_CT_WINDOWS = {
    "chest": ("lung window", "soft-tissue window"),
    "lung": ("lung window",),
    "head": ("brain window", "bone window"),
    "brain": ("brain window",),
    "liver": ("liver window",),
}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of an image, in words of the manifest's columns; empty where nothing is.

    spacing: millimetres between rows and columns of the stored image.  series: the source's own.
    """

    modality: str
    body_part: str = ""
    view: str = ""
    technique: str = ""
    sex: str = ""
    age: int | None = None
    laterality: str = ""
    series: str = ""
    spacing: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Entry(Facts):
    """One image of a data set and what is known of it.

    labels: finding id -> 1.0 present, 0.0 absent, NaN uncertain.  severity: id, where the one
    present finding has one.  digest: SHA-256 of the stored pixels.  alike: 64 bits that near copies
    share, hexadecimal.  synthetic: made by a model; then model_digest, seed and prompt say how,
    where that is known, and review whether experts accepted it.
    """

    key: str
    width: int
    height: int
    patient_id: str
    source: str
    origin: str = ""
    labels: Mapping[str, float] = field(default_factory=dict)
    severity: str | None = None
    age_group: str = ""
    digest: str = ""
    alike: str = ""
    synthetic: bool = False
    model_digest: str = ""
    seed: int | None = None
    prompt: str = ""
    review: str = ""

    def __post_init__(self) -> None:
        if not self.modality or not self.key or not self.patient_id:
            raise InvalidInput("an entry needs a key, a modality and a patient")
        wrong = [c for c in self.labels if c not in default_vocabulary().concepts]
        if wrong:
            raise InvalidInput(f"labels of unknown concepts: {', '.join(wrong)}")

    def row(self, shard: str) -> dict[str, str]:
        """The manifest's row; findings and severities as ids, joined by semicolons."""
        said = [c for c, value in self.labels.items() if value == 1]
        implied = default_vocabulary().implied(said)
        present = [c for c in implied if c.startswith("finding:") and self.labels.get(c) != 0]
        if self.severity:
            present.append(self.severity)
        age_group = self.age_group
        if not age_group and self.age is not None:
            age_group = group_of_age(self.age).partition(":")[2]
        labels = {c: None if math.isnan(v) else int(v) for c, v in self.labels.items()}
        return dict.fromkeys(COLUMNS, "") | {
            "key": self.key,
            "shard": shard,
            "width": str(self.width),
            "height": str(self.height),
            "modality": self.modality,
            "body_part": self.body_part,
            "view": self.view,
            "technique": self.technique,
            "findings": ";".join(present),
            "patient_id": self.patient_id,
            "sex": self.sex,
            "age": "" if self.age is None else str(min(self.age, OLDEST_SAID)),
            "laterality": self.laterality,
            "source": self.source,
            "origin": self.origin,
            "age_group": age_group,
            "spacing": "x".join(f"{s:.4g}" for s in self.spacing or ()),
            "labels": json.dumps(labels, separators=(",", ":")) if labels else "",
            "digest": self.digest,
            "alike": self.alike,
            "series": self.series,
            "synthetic": "1" if self.synthetic else "",
            "model_digest": self.model_digest,
            "seed": "" if self.seed is None else str(self.seed),
            "prompt": self.prompt,
            "review": self.review or (UNREVIEWED if self.synthetic else ""),
        }


def is_synthetic(row: Mapping[str, str]) -> bool:
    """Whether a manifest's row says that a model made its image."""
    return (row.get("synthetic") or "").strip().lower() in ("1", "true", "yes")


def split_of(patient: str, test_share: float) -> Split:
    """The side on which all images of a patient lie; depends on the patient alone."""
    if not 0 <= test_share < 1:
        raise InvalidInput(f"the share of test patients must be in 0-1, got {test_share}")
    number = int.from_bytes(hashlib.sha256(f"split {patient}".encode()).digest()[:4], "big")
    return "test" if number < test_share * 2**32 else "train"


def plan_slices(count: int, wanted: int) -> list[int]:
    """Which of `count` slices to take: evenly over the middle four fifths, at most `wanted`.

    0 wants all of them.
    """
    if count < 1 or wanted < 0:
        raise InvalidInput(f"cannot take {wanted} of {count} slices")
    if wanted == 0 or count <= wanted:
        return list(range(count))
    first, last = 0.1 * (count - 1), 0.9 * (count - 1)
    if wanted == 1:
        return [round((count - 1) / 2)]
    return sorted({round(first + (last - first) * n / (wanted - 1)) for n in range(wanted)})


def ct_windows(body_part: str, asked: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of the windows in which a CT slice is kept."""
    unknown = [name for name in asked if name not in WINDOWS]
    if unknown:
        raise InvalidInput(f"no CT window {unknown[0]!r}: there are {', '.join(WINDOWS)}")
    return tuple(asked) or _CT_WINDOWS.get(body_part, ("soft-tissue window",))


def windowed(values: NDArray[np.generic], window: Window) -> NDArray[np.uint8]:
    """Values to 8 bits by a linear window (PS3.3 C.11.2.1.2)."""
    low, high = window.span
    scaled = (values.astype(np.float32) - low) / (high - low)
    return np.rint(np.clip(scaled, 0, 1) * 255).astype(np.uint8)


def spread(
    values: NDArray[np.generic], known: NDArray[np.bool_] | None = None
) -> NDArray[np.uint8]:
    """Values to 8 bits, from their 0.5th to their 99.5th percentile, of those known."""
    shown = values if known is None else values[known]
    low, high = (float(v) for v in np.percentile(shown.astype(np.float32), (0.5, 99.5)))
    if high <= low:
        low, high = float(shown.min()), float(shown.max())
    if high <= low:
        return np.zeros(values.shape, np.uint8)
    scaled = (values.astype(np.float32) - low) / (high - low)
    return np.rint(np.clip(scaled, 0, 1) * 255).astype(np.uint8)


def fault(pixels: NDArray[np.uint8], modality: str) -> str:
    """Why an image is not worth keeping: "blank", "looks inverted", too small; "" if nothing is."""
    if min(pixels.shape) < SMALLEST:
        return f"only {pixels.shape[1]}x{pixels.shape[0]} pixels; at least {SMALLEST} a side"
    counts = np.zeros(256, np.int64)
    for row in pixels:
        counts += np.bincount(row, minlength=256)
    levels = np.arange(256)
    mean = float(counts @ levels) / pixels.size
    if counts @ (levels - mean) ** 2 < 4 * pixels.size or counts.max() > 0.995 * pixels.size:
        return "blank: nearly all pixels are the same"
    if modality == "x-ray" and _inverted(pixels):
        return "looks inverted: its border is brighter than its middle"
    return ""


def _inverted(pixels: NDArray[np.uint8]) -> bool:
    """Whether a radiograph has bright air around a dark body: most corners white."""
    height, width = pixels.shape
    h, w = max(2, height // 20), max(2, width // 20)
    corners = [pixels[:h, :w], pixels[:h, -w:], pixels[-h:, :w], pixels[-h:, -w:]]
    bright = sum(float(c.mean()) > 215 for c in corners)
    middle = pixels[height // 4 : -height // 4, width // 4 : -width // 4]
    return bright >= 3 and float(np.median(middle)) < 140


def alike(pixels: NDArray[np.uint8]) -> str:
    """64 bits of the signs of differences between neighbours of a 9x8 average (dHash), as hex.

    Near copies (recompressed, resized, another brightness) differ in few bits.
    """
    height, width = pixels.shape
    rows = np.linspace(0, height, 9).astype(int)
    columns = np.linspace(0, width, 10).astype(int)
    sums = np.add.reduceat(pixels.astype(np.float64), rows[:-1], axis=0)
    sums = np.add.reduceat(sums, columns[:-1], axis=1)
    area = np.diff(rows)[:, None] * np.diff(columns)[None]
    means = sums / area
    bits = (means[:, 1:] > means[:, :-1] + 0.5).ravel()
    return np.packbits(bits).tobytes().hex()


def thumbnail(pixels: NDArray[np.uint8]) -> bytes:
    """32x32 averages, exact by area, for comparing pictures that are `alike`."""
    shrunk = pixels.astype(np.float64)
    for axis in (0, 1):
        sums = np.insert(shrunk.cumsum(axis), 0, 0, axis)
        edges = np.linspace(0, shrunk.shape[axis], _THUMB + 1)
        low = np.minimum(edges.astype(int), shrunk.shape[axis] - 1)
        part = (edges - low).reshape((-1, 1) if axis == 0 else (1, -1))
        at = np.take(sums, low, axis) * (1 - part) + np.take(sums, low + 1, axis) * part
        shrunk = np.diff(at, axis=axis) * _THUMB / shrunk.shape[axis]
    return np.rint(np.clip(shrunk, 0, 255)).astype(np.uint8).tobytes()


def same_picture(one: bytes, two: bytes) -> bool:
    """Whether two thumbnails are of one picture: the slopes of their brightness correlate.

    Brightness itself does not tell: chests of different people correlate at up to 0.98.
    """
    slopes = []
    for thumb in (one, two):
        square = np.frombuffer(thumb, np.uint8).reshape(_THUMB, _THUMB).astype(np.float64)
        slopes.append(np.concatenate([np.diff(square, axis=a).ravel() for a in (0, 1)]))
    norm = float(np.linalg.norm(slopes[0]) * np.linalg.norm(slopes[1]))
    return norm > 0 and float(slopes[0] @ slopes[1]) / norm >= _SAME


def bits_apart(one: str, two: str) -> int:
    """In how many of the 64 bits two `alike` values differ."""
    return (int(one, 16) ^ int(two, 16)).bit_count()
