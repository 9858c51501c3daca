"""Simulated radiographs of CT volumes as one more corpus folder: train.csv and a tar shard.

Every volume is one patient, and all images share one source, hence one style token. Volumes are
the `.npz` files of the data folder: `hu` (z, y, x; head first) and `spacing` in mm.
"""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from radsmith.datasets.projection import Array, Beam, attenuation, body_only, expose, project
from radsmith.errors import InvalidInput, NotFound

SOURCE = "ct_projection"
COLUMNS = (
    *("key", "shard", "width", "height", "modality", "body_part", "view", "technique", "findings"),
    *("caption", "patient_id", "sex", "age", "laterality", "source", "origin", "age_group"),
)
_AZIMUTH = {"AP": 0.0, "PA": 180.0, "lateral": 90.0, "oblique": 40.0}
_SIDE = 256


@dataclass(frozen=True, kw_only=True)
class Region:
    """A field of a volume. centre: fractions (z, y, x).  field: (width, height) in mm."""

    volume: str
    body_part: str
    centre: tuple[float, float, float]
    field: tuple[float, float]
    views: tuple[str, ...]
    laterality: str = ""


REGIONS = (
    Region(
        volume="visible-human-head",
        body_part="skull",
        centre=(0.45, 0.5, 0.5),
        field=(230, 250),
        views=("AP", "lateral", "oblique", "PA"),
    ),
    Region(
        volume="acrin-flt-breast-001-upper",
        body_part="skull",
        centre=(0.3, 0.5, 0.5),
        field=(210, 240),
        views=("AP", "oblique"),
    ),
    Region(
        volume="acrin-flt-breast-001-upper",
        body_part="shoulder",
        centre=(0.68, 0.5, 0.2),
        field=(220, 220),
        views=("AP",),
        laterality="right",
    ),
    Region(
        volume="acrin-flt-breast-001-upper",
        body_part="shoulder",
        centre=(0.68, 0.5, 0.8),
        field=(220, 220),
        views=("AP",),
        laterality="left",
    ),
    Region(
        volume="acrin-flt-breast-001-lower",
        body_part="abdomen",
        centre=(0.42, 0.5, 0.5),
        field=(380, 400),
        views=("AP",),
    ),
    Region(
        volume="acrin-flt-breast-001-lower",
        body_part="pelvis",
        centre=(0.8, 0.5, 0.5),
        field=(380, 300),
        views=("AP",),
    ),
    Region(
        volume="cptac-pda-00189-upper-abdomen",
        body_part="abdomen",
        centre=(0.5, 0.5, 0.5),
        field=(380, 176),
        views=("AP",),
    ),
    Region(
        volume="acrin-flt-breast-013-chest",
        body_part="chest",
        centre=(0.5, 0.5, 0.5),
        field=(400, 190),
        views=("PA", "AP", "lateral"),
    ),
    Region(
        volume="cmb-crc-01068-chest",
        body_part="chest",
        centre=(0.5, 0.5, 0.5),
        field=(400, 245),
        views=("PA", "AP", "lateral", "oblique"),
    ),
)


def simulate(volumes: Path, folder: Path, count: int, seed: int, workers: int = 1) -> int:
    """Write `count` radiographs of each region and view whose volume is there; returns how many.

    Image n of a region depends on the seed, the region and n alone. Raises NotFound where no
    volume is found.
    """
    present = [r for r in REGIONS if (volumes / f"{r.volume}.npz").is_file()]
    if not present:
        names = ", ".join(sorted({r.volume for r in REGIONS}))
        raise NotFound(f"no volume in {volumes}: expected .npz files such as {names}")
    if count < 1:
        raise InvalidInput(f"count must be at least 1, got {count}")
    tasks = [(volumes, r, REGIONS.index(r), count, seed) for r in present]
    folder.mkdir(parents=True, exist_ok=True)
    shard, partial = "train-000.tar", folder / ".train-000.tar.part"
    rows: list[dict[str, Any]] = []
    with tarfile.open(partial, "w") as tar:
        for region, view, number, pixels in _images(tasks, workers):
            key = f"{region.volume}-{region.body_part}{region.laterality}-{view}-{number}"
            _add(tar, f"{key}.webp", pixels)
            rows.append(_row(key, shard, region, view, pixels))
    partial.replace(folder / shard)
    with (folder / "train.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


Drawn = tuple[Region, str, int, NDArray[np.uint8]]


def _images(tasks: Sequence[tuple[Any, ...]], workers: int) -> Iterator[Drawn]:
    if workers == 1:
        for task in tasks:
            yield from _region_images(task)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for images in pool.map(_region_images, tasks):
            yield from images


def _region_images(task: tuple[Any, ...]) -> list[Drawn]:
    volumes, region, index, count, seed = task
    with np.load(volumes / f"{region.volume}.npz", allow_pickle=False) as stored:
        hu, spacing = stored["hu"], tuple(float(s) for s in stored["spacing"])
    mu = attenuation(body_only(hu))
    found = []
    for which, view in enumerate(region.views):
        for number in range(count):
            rng = np.random.default_rng([seed, index, which, number])
            found.append((region, view, number, _draw(mu, spacing, region, view, rng)))
    return found


def _draw(
    mu: Array,
    spacing: tuple[float, ...],
    region: Region,
    view: str,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """One radiograph with its own pose, field, dose and contrast, as 8 bit."""
    zoom = rng.uniform(0.88, 1.12)
    width, height = (length * zoom for length in region.field)
    pixel = max(width, height) / _SIDE
    shift = rng.uniform(-0.03, 0.03, 3)
    z, y, x = (float(c + s) for c, s in zip(region.centre, shift, strict=True))
    turn = rng.choice((-1, 1)) if view in ("lateral", "oblique") else 1
    beam = Beam(
        size=(round(width / pixel), round(height / pixel)),
        pixel=pixel,
        azimuth=float(turn * (_AZIMUTH[view] + rng.normal(0, 4))),
        tilt=float(rng.normal(0, 4)),
        source_distance=float(rng.uniform(1000, 1800)),
        centre=(z, y, x),
    )
    depth, rows, columns = spacing
    path = project(mu, (depth, rows, columns), beam, step=2.5)
    if view == "PA":
        path = path[:, ::-1]  # shown as if facing the patient
    shown = expose(
        path,
        rng,
        photons=float(np.exp(rng.uniform(np.log(3e3), np.log(2e5)))),
        scatter=float(rng.uniform(0, 0.3)),
        blur=float(rng.uniform(0.3, 1.0)),
        gamma=float(rng.uniform(0.8, 1.8)),
    )
    return np.rint(shown * 255).astype(np.uint8)


def _row(
    key: str, shard: str, region: Region, view: str, pixels: NDArray[np.uint8]
) -> dict[str, Any]:
    height, width = pixels.shape
    return {
        "key": key,
        "shard": shard,
        "width": width,
        "height": height,
        "modality": "x-ray",
        "body_part": region.body_part,
        "view": view,
        "technique": "simulated from CT",
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
