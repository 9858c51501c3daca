"""The images of a bundle on disk, in every format that was asked for."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.editing.files import read_mask
from radsmith.images.image import Image
from radsmith.marks import credentials, watermark
from radsmith.marks.keys import SigningKey
from radsmith.release import webdataset
from radsmith.release.annotations import coco
from radsmith.release.choosing import Tell
from radsmith.release.items import Item, flat, row_of
from radsmith.release.layout import METADATA, PROVENANCE, TABLE
from radsmith.release.measuring import Seen
from radsmith.release.renditions import Shown, dicom, picture, shown
from radsmith.release.request import ReleaseRequest
from radsmith.release.stacks import Slice, nifti, stacks_of

Mask = NDArray[np.bool_]


@dataclass
class Written:
    """What came of the images. rows: of images.csv, without the file.  stacks: NIfTI volumes."""

    seen: Seen
    rows: list[dict[str, Any]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    masks: list[Mask | None] = field(default_factory=list)
    slices: dict[int, list[tuple[Slice, NDArray[np.generic]]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    stacks: int = 0


def write_images(
    items: Sequence[Item],
    groups: Sequence[str],
    request: ReleaseRequest,
    key: SigningKey,
    folder: Path,
    tell: Tell,
) -> Written:
    """Write PNGs with metadata, provenance and the asked-for formats below `folder`."""
    written = Written(seen=Seen(total=len(items)))
    wanted = {"dicom", "nifti"} & set(request.formats)
    places = stacks_of([item.candidate for item in items]) if wanted else {}
    for number, (item, group) in enumerate(zip(items, groups, strict=True)):
        tell("writing", number, len(items))
        _write_one(item, group, places.get(item.candidate.sha256), request, key, folder, written)
    _write_tables(items, folder, written)
    if "nifti" in request.formats:
        for stack, slices in sorted(written.slices.items()):
            ordered = sorted(slices, key=lambda pair: pair[0].number)
            _put(folder / f"nifti/stack-{stack + 1:04d}.nii.gz", nifti(ordered))
            written.stacks += 1
    if "webdataset" in request.formats:
        _write_shards(items, written, folder)
    if "coco" in request.formats:
        text = json.dumps(coco(items, written.masks), indent=1, ensure_ascii=False)
        _put(folder / "annotations/coco.json", text.encode() + b"\n")
    return written


def _write_one(
    item: Item,
    group: str,
    place: Slice | None,
    request: ReleaseRequest,
    key: SigningKey,
    folder: Path,
    written: Written,
) -> None:
    found = shown(item.candidate)
    mask = _mask(item, found.image)
    image, marks = found.image, []
    if request.watermark and not (item.record.parents and mask is None):
        pixels = image.pixels.astype(np.float64)
        if not watermark.detect(pixels).present:  # it may have been marked when it was made
            image = replace(image, pixels=watermark.marked(pixels, mask))
        marks.append("watermark")
    data = picture(image, item.record, request.bits)
    if request.credentials:
        source = item.candidate.bytes()
        data, _ = credentials.signed(data, item.record, key, source)
        marks.append("C2PA")
        written.seen.signed += 1
    _put(folder / item.picture, data)
    line: dict[str, Any] = {"file": item.picture, "marks": marks}
    if "dicom" in request.formats:
        line["dicom"] = _write_dicom(item, replace(found, image=image), place, request, key, folder)
        written.seen.dicom += 1
    if place is not None and "nifti" in request.formats:
        written.slices[place.stack].append((place, _output_units(found)))
    written.seen.add(item, image)
    written.seen.masks += bool(item.record.parents) and mask is not None
    written.masks.append(mask)
    sha256 = hashlib.sha256(data).hexdigest()
    written.rows.append(row_of(item, sha256, group))
    line |= {"sha256": sha256, "verdict": item.verdict, "reads": item.reads}
    written.lines.append(line | {"record": asdict(item.record)})


def _write_dicom(
    item: Item,
    found: Shown,
    place: Slice | None,
    request: ReleaseRequest,
    key: SigningKey,
    folder: Path,
) -> str:
    data = dicom(found, item.record, place)
    path = f"dicom/{item.name}.dcm"
    _put(folder / path, data)
    if request.credentials:
        _, manifest = credentials.signed(data, item.record, key)
        _put(folder / (path + credentials.SIDECAR), manifest)
    return path


def _write_tables(items: Sequence[Item], folder: Path, written: Written) -> None:
    by_split: dict[str, list[dict[str, Any]]] = defaultdict(list)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, ["file", *written.rows[0]], lineterminator="\n")
    writer.writeheader()
    table = sorted(zip(items, written.rows, strict=True), key=lambda pair: pair[0].picture)
    for item, row in table:
        writer.writerow({"file": item.picture, **flat(row)})
        by_split[item.split].append({"file_name": f"{item.name}.png", **row})
    _put(folder / TABLE, stream.getvalue().encode())
    for split, rows in by_split.items():
        _put(folder / "images" / split / METADATA, _lines(rows))
    _put(folder / PROVENANCE, _lines(sorted(written.lines, key=lambda line: line["file"])))


def _write_shards(items: Sequence[Item], written: Written, folder: Path) -> None:
    """One series of shards a split; each sample is the PNG as it is and its row."""
    for split in sorted({item.split for item in items}):
        pairs = [p for p in zip(items, written.rows, strict=True) if p[0].split == split]
        sizes = [(folder / item.picture).stat().st_size for item, _ in pairs]
        shards: dict[int, list[tuple[Item, dict[str, Any]]]] = defaultdict(list)
        for number, pair in zip(webdataset.cut(sizes), pairs, strict=True):
            shards[number].append(pair)
        for number, members in shards.items():
            samples = [
                (f"{item.name}.{suffix}", data)
                for item, row in members
                for suffix, data in (
                    ("json", json.dumps(row, ensure_ascii=False).encode()),
                    ("png", (folder / item.picture).read_bytes()),
                )
            ]
            _put(folder / f"shards/{split}-{number:06d}.tar", webdataset.shard(samples))


def _mask(item: Item, image: Image) -> Mask | None:
    if item.candidate.mask is None:
        return None
    width, height = image.size
    return read_mask(item.candidate.mask, (height, width))


def _output_units(found: Shown) -> NDArray[np.generic]:
    """Pixels of a slice as NIfTI holds them: the file's output units, such as HU."""
    opened = found.opened
    if opened is None or opened.origin is None:
        return found.image.pixels
    pixels = opened.source.image.pixels.astype(np.float64)
    return pixels * opened.origin.slope + opened.origin.intercept


def _lines(rows: Sequence[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(r, sort_keys=True, ensure_ascii=False) + "\n" for r in rows).encode()


def _put(path: Path, data: bytes) -> None:
    """A file of a bundle in the making, which no one sees until it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
