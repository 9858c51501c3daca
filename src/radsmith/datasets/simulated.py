"""Simulated radiographs of CT volumes as one more corpus folder: train.csv and a tar shard.

Every volume is one patient, and all images share one source, hence one style token. Volumes are
the `.npz` files of the data folder: `hu` (z, y, x; head first) and `spacing` in mm.
"""

from __future__ import annotations

import csv
import io
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from scipy import ndimage

from radsmith.compute.tasks import in_order, over_tasks
from radsmith.datasets.projection import (
    SKIN,
    Beam,
    Detector,
    Display,
    attenuation,
    body_only,
    displayed,
    expose,
    project,
)
from radsmith.datasets.simulated_regions import EXPOSURES, REGIONS, VolumeField
from radsmith.errors import InvalidInput, NotFound
from radsmith.images.image import Array
from radsmith.language.vocabulary import slug

SOURCE = "ct_projection"
COLUMNS = (
    *("key", "shard", "width", "height", "modality", "body_part", "view", "technique", "findings"),
    *("caption", "patient_id", "sex", "age", "laterality", "source", "origin", "age_group"),
)
_SIDE = 256
_COLLIMATED = 0.3
_FINEST = 0.9
"""Pixels of the projection, as a share of the voxels."""
_PHOTONS = (600.0, 20000.0)
_PAD = 40.0
"""Millimetres by which the first and last slice are repeated, where slanting rays leave."""


@dataclass(frozen=True, kw_only=True)
class _View:
    """azimuth and tilt: mean and standard deviation, in degrees.  either: from left or right.

    mirrored: shown as if facing the patient.  along: the axis of the volume that the rays follow
    closely, if one; samples can then stand for slabs across it.
    """

    azimuth: tuple[float, float] = (0.0, 4.0)
    tilt: tuple[float, float] = (0.0, 4.0)
    either: bool = False
    mirrored: bool = False
    along: int | None = None


_VIEWS = {
    "AP": _View(along=1),
    "PA": _View(azimuth=(180.0, 4.0), mirrored=True, along=1),
    "lateral": _View(azimuth=(90.0, 4.0), either=True, along=2),
    "oblique": _View(azimuth=(42.0, 8.0), either=True),
    "Towne": _View(tilt=(30.0, 3.0)),
    "Waters": _View(azimuth=(180.0, 4.0), tilt=(38.0, 3.0), mirrored=True),
}
_FRONTAL = ("AP", "PA")


@dataclass(frozen=True, kw_only=True)
class _Body:
    """mu: attenuation in 1/mm, padded by `_PAD` at head and feet.  open_top: air above the body.

    step: between samples along a ray, in mm.
    """

    mu: Array
    spacing: tuple[float, float, float]
    open_top: bool
    step: float

    def for_view(self, view: str) -> _Body:
        """Means over slabs of three voxels, at whose distance samples then suffice."""
        axis = _VIEWS[view].along
        if axis is None:
            return self
        mu = ndimage.uniform_filter1d(self.mu, 3, axis=axis)
        return replace(self, mu=mu, step=3 * self.spacing[axis])


def simulate(volumes: Path, folder: Path, count: int, seed: int, workers: int = 1) -> int:
    """Write radiographs of every region whose volume is there; returns how many.

    count: images of each view, times the region's weight. Image n of a region and view depends on
    the seed, the region, the view and n alone. Raises NotFound where no volume is found.
    """
    present = [r for r in REGIONS if (volumes / f"{r.volume}.npz").is_file()]
    if not present:
        names = ", ".join(sorted({r.volume for r in REGIONS}))
        raise NotFound(f"no volume in {volumes}: expected .npz files such as {names}")
    if count < 1:
        raise InvalidInput(f"count must be at least 1, got {count}")
    tasks = [(volumes, r, count, seed) for r in present]
    folder.mkdir(parents=True, exist_ok=True)
    shard, partial = "train-000.tar", folder / ".train-000.tar.part"
    rows: list[dict[str, Any]] = []
    with tarfile.open(partial, "w") as tar:
        for region, view, number, pixels in _images(tasks, workers):
            key = f"{_name(region, view)}-{number}"
            _add(tar, f"{key}.webp", pixels)
            rows.append(_row(key, shard, region, view, pixels))
    partial.replace(folder / shard)
    with (folder / "train.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


Drawn = tuple[VolumeField, str, int, NDArray[np.uint8]]


def _images(tasks: Sequence[tuple[Any, ...]], workers: int) -> Iterator[Drawn]:
    for images in in_order(over_tasks(_numbered, list(enumerate(tasks)), workers)):
        yield from images


def _name(region: VolumeField, view: str) -> str:
    parts = (region.volume, slug(region.body_part), region.laterality, view)
    return "-".join(part for part in parts if part)


def _numbered(task: tuple[int, tuple[Any, ...]]) -> tuple[int, list[Drawn]]:
    return task[0], _region_images(task[1])


def _region_images(task: tuple[Any, ...]) -> list[Drawn]:
    volumes, region, count, seed = task
    body = _body(volumes / f"{region.volume}.npz", region)
    found = []
    for view in region.views:
        seen = body.for_view(view)
        for number in range(count * region.weight):
            own = zlib.crc32(_name(region, view).encode())
            rng = np.random.default_rng([seed, own, number])
            found.append((region, view, number, _draw(seen, region, view, rng)))
    return found


def _body(path: Path, region: VolumeField) -> _Body:
    with np.load(path, allow_pickle=False) as stored:
        hu, (depth, rows, columns) = stored["hu"], (float(s) for s in stored["spacing"])
    mu = attenuation(body_only(hu))
    left, right = (round(x * mu.shape[2]) for x in region.x_range)
    mu[:, :, :left] = mu[:, :, right:] = 0
    pad = round(_PAD / depth)
    return _Body(
        mu=np.pad(mu, ((pad, pad), (0, 0), (0, 0)), mode="edge"),
        spacing=(depth, rows, columns),
        open_top=float((mu[0] > 0).mean()) < 0.01,
        step=1.5 * min(depth, rows, columns),
    )


def _draw(
    body: _Body, region: VolumeField, view: str, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """One radiograph with its own pose, field, dose and processing, as 8 bit."""
    beam = _beam(body, region, view, rng)
    path = _path(body, beam)
    if _VIEWS[view].mirrored:
        path = path[:, ::-1]
    part = EXPOSURES[region.body_part]
    detector = Detector(
        photons=float(np.exp(rng.uniform(*np.log(_PHOTONS)))),
        scatter=float(rng.uniform(*part.scatter)),
        blur=float(rng.uniform(0.2, 1.0)),
    )
    display = Display(
        window=(float(rng.uniform(0.003, 0.05)), float(rng.uniform(0.985, 0.999))),
        middle=float(rng.uniform(*part.middle)),
        contrast=float(rng.choice((0, rng.uniform(1, 3)))),
        flatten=float(rng.uniform(*part.flatten)),
        detail=float(rng.uniform(0.9, 1.7)),
        coarse=float(rng.uniform(0.05, 0.14)),
    )
    shown = displayed(expose(path, rng, detector), path > SKIN, display)
    if rng.random() < _COLLIMATED:
        shown = shown * _opening(shown.shape, rng)
    return np.rint(shown * 255).astype(np.uint8)


def _path(body: _Body, beam: Beam) -> Array:
    """Line integrals of the beam, sampled no finer than the volume tells and then enlarged."""
    width, height = beam.size
    pixel = max(beam.pixel, _FINEST * min(body.spacing))
    size = (round(width * beam.pixel / pixel), round(height * beam.pixel / pixel))
    path = project(body.mu, body.spacing, replace(beam, size=size, pixel=pixel), step=body.step)
    enlarged = Picture.fromarray(path).resize(beam.size, Picture.Resampling.BICUBIC)
    return np.maximum(np.asarray(enlarged, np.float32), 0)


def _beam(body: _Body, region: VolumeField, view: str, rng: np.random.Generator) -> Beam:
    """A beam near the region's own; its field stays within the scanned length."""
    pose = _VIEWS[view]
    length = (body.mu.shape[0] * body.spacing[0]) - 2 * _PAD
    zoom = rng.uniform(0.8, 1.15)
    width, height = (side * zoom * rng.uniform(0.93, 1.07) for side in region.field)
    height = height if body.open_top else min(height, length)
    pixel = max(width, height) / _SIDE
    z, y, x = (c + s for c, s in zip(region.centre, rng.uniform(-0.04, 0.04, 3), strict=True))
    half = height / 2 / length
    z = min(z, 1 - half) if body.open_top else float(np.clip(z, half, 1 - half))
    turn = rng.choice((-1, 1)) if pose.either else 1
    return Beam(
        size=(round(width / pixel), round(height / pixel)),
        pixel=pixel,
        azimuth=float(turn * rng.normal(*pose.azimuth)),
        tilt=float(region.tilt + rng.normal(*pose.tilt)),
        roll=float(region.roll + rng.normal(0, 2)),
        source_distance=float(rng.uniform(950, 1900)),
        centre=((z * length + _PAD) / (length + 2 * _PAD), float(y), float(x)),
    )


def _opening(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """The collimator's opening: 1 inside a rectangle that is turned a little, 0 outside."""
    height, width = shape
    v, u = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    turn = np.radians(rng.normal(0, 1.5))
    across, down = u * np.cos(turn) - v * np.sin(turn), v * np.cos(turn) + u * np.sin(turn)
    left, right, top, bottom = rng.uniform(0.78, 1.04, 4)
    inside = (across > -left) & (across < right) & (down > -top) & (down < bottom)
    return np.asarray(inside, np.float32)


def _row(
    key: str, shard: str, region: VolumeField, view: str, pixels: NDArray[np.uint8]
) -> dict[str, Any]:
    height, width = pixels.shape
    side = region.finding_side if view in _FRONTAL else ""
    return {
        "key": key,
        "shard": shard,
        "width": width,
        "height": height,
        "modality": "x-ray",
        "body_part": region.body_part,
        "view": view,
        "technique": "simulated from CT",
        "findings": f"{side} {region.finding}".strip(),
        "patient_id": region.volume,
        "laterality": region.laterality,
        "source": SOURCE,
        "origin": region.volume,
        "age_group": "adult",
    }


def _add(tar: tarfile.TarFile, name: str, pixels: NDArray[np.uint8]) -> None:
    stream = io.BytesIO()
    Picture.fromarray(pixels).save(stream, "WEBP", quality=88)
    info = tarfile.TarInfo(name)
    info.size = stream.tell()
    stream.seek(0)
    tar.addfile(info, stream)
