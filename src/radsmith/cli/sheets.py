"""Contact sheets of generated images: a PNG, or an HTML page beside the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from radsmith.editing.operations import Edited, Levels, Source
from radsmith.files import write_atomically
from radsmith.generation.run import Outcome
from radsmith.images.contact_sheet import Group, Tile, contact_page, contact_sheet
from radsmith.images.image import Image
from radsmith.images.pictures import read_image, read_record

MOST_TILES = 64


def write_sheet(path: Path, outcomes: Sequence[Outcome], title: str, columns: int = 4) -> None:
    """One PNG sheet, in the order given."""
    tiles = [_tile(o) for o in outcomes]
    write_atomically(path, contact_sheet(tiles, columns=columns, title=title))


def write_page(path: Path, outcomes: Sequence[Outcome], title: str) -> None:
    """An HTML page of all images, one section a prompt, linking the files beside it."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.job.plan.text, []).append(outcome)
    sections = [
        Group(
            title=text + "".join(f" · {w}" for w in members[0].job.plan.warnings),
            tiles=[_tile(o) for o in members],
        )
        for text, members in groups.items()
    ]
    files = [
        o.job.files[0].relative_to(path.parent).as_posix()
        for members in groups.values()
        for o in members
    ]
    write_atomically(path, contact_page(title, sections, files).encode())


def _tile(outcome: Outcome) -> Tile:
    file, seed = outcome.job.files[0], outcome.job.request.seed
    image, record = outcome.image, outcome.record
    if image is None:
        image, record = _read(file), read_record(file)
    return Tile(image=image, caption=f"{seed}: {outcome.job.plan.canonical}", record=record)


def _read(file: Path) -> Image:
    if file.suffix == ".npy":
        return Image(pixels=np.load(file, allow_pickle=False))
    return read_image(file)


def write_edit_sheet(path: Path, before: Source, edits: Sequence[Edited], title: str) -> None:
    """One PNG sheet: the image before, then its edits."""
    tiles = [Tile(image=_shown(before, before.image), caption="before")]
    tiles += [
        Tile(
            image=_shown(before, e.image),
            caption=f"{e.record.seed}: {e.record.edit}",
            record=e.record,
        )
        for e in edits
    ]
    write_atomically(path, contact_sheet(tiles, columns=4, title=title))


def _shown(source: Source, image: Image) -> Image:
    """As it is to be looked at: white is bright."""
    everywhere = np.ones(image.pixels.shape, np.bool_)
    levels = Levels.of(replace(source, image=image), everywhere)
    return Image(pixels=levels.intensity(image.pixels), spacing=image.spacing)
