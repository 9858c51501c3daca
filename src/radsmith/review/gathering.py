"""Images to be read, found in folders and lists, as they are meant to be seen."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radsmith.editing.dicom import as_shown
from radsmith.editing.files import open_source
from radsmith.errors import InvalidInput, NotFound, RadsmithError
from radsmith.files import read_bytes
from radsmith.images.dicom.signature import is_dicom
from radsmith.images.pictures import SUFFIXES, lies_beside, read_record
from radsmith.language.prompt import render
from radsmith.language.reading import read_prompt
from radsmith.language.vocabulary import default_vocabulary
from radsmith.review.ratings_files import read_rows


@dataclass(frozen=True, kw_only=True)
class Found:
    """An image on the disk and what is said of it. group: of its kind, such as "chest x-ray"."""

    path: Path
    prompt: str = ""
    group: str = ""
    finding: str = ""
    source: str = ""


def gather(place: Path, source: str = "") -> list[Found]:
    """The images of a folder and those below, or of a CSV with a column `file`.

    Further columns: prompt, group, finding, source. What they leave out is taken from the record in
    the file. source: where nothing says what made it.  Raises NotFound, or InvalidInput.
    """
    if place.suffix.lower() == ".csv":
        rows = read_rows(place, ("file",))
        found = [
            Found(
                path=place.parent / row["file"].strip(),
                prompt=row.get("prompt", "").strip(),
                group=row.get("group", "").strip(),
                finding=row.get("finding", "").strip(),
                source=row.get("source", "").strip(),
            )
            for row in rows
        ]
        for number, one in enumerate(found, start=2):
            if not one.path.is_file():
                raise NotFound(f"{place}, line {number}: no such file: {one.path}")
    elif place.is_dir():
        paths = sorted(p for p in place.rglob("*") if p.is_file() and not _hidden(p, place))
        found = [Found(path=path) for path in paths if _image(path)]
    else:
        raise NotFound(f"no such folder or list: {place}; name a folder of images, or a CSV")
    if not found:
        raise InvalidInput(f"{place} holds no images: {', '.join(SUFFIXES)}")
    return [_told(one, source) for one in found]


def _image(path: Path) -> bool:
    suffix = path.suffix.lower()
    if lies_beside(path):
        return False
    return suffix in SUFFIXES or (not suffix and is_dicom(read_bytes(path)[:256]))


def _hidden(path: Path, place: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(place).parts)


def _told(found: Found, source: str) -> Found:
    """With prompt, group and source filled in from the record, in the words of the vocabulary."""
    prompt, made_by = found.prompt, found.source or source
    try:
        record = read_record(found.path)
        prompt = prompt or record.canonical_prompt or record.prompt
        made_by = found.source or record.model or source
    except RadsmithError:
        pass  # not made by radsmith: nothing is told of it
    prompt = _canonical(prompt)
    return Found(
        path=found.path,
        prompt=prompt,
        group=found.group or _group(prompt),
        finding=found.finding,
        source=made_by,
    )


def _canonical(prompt: str) -> str:
    """As the vocabulary words it, so that the wording tells nothing; as it is where it cannot."""
    try:
        return render(read_prompt(prompt).prompt) if prompt else ""
    except InvalidInput:
        return prompt


def _group(prompt: str) -> str:
    try:
        read = read_prompt(prompt).prompt if prompt else None
    except InvalidInput:
        read = None
    if read is None:
        return ""
    vocabulary = default_vocabulary()
    named = (read.body_part, read.modality)
    return " ".join(vocabulary[c].name for c in named if c)


def shown(path: Path) -> tuple[NDArray[np.float32], str]:
    """An image as it is meant to be seen, (height, width) in 0-1, and the SHA-256 of its file.

    A DICOM image through its window; others as `editing` shows them.
    """
    digest = hashlib.sha256(read_bytes(path)).hexdigest()
    image = as_shown(open_source(path).source)
    return np.clip(image.pixels.astype(np.float32), 0, 1), digest


def same_files(kinds: Sequence[tuple[str, Sequence[Found]]]) -> None:
    """Raise InvalidInput where one file is named for two kinds."""
    seen: dict[Path, str] = {}
    for name, images in kinds:
        for found in images:
            path = found.path.resolve()
            if seen.setdefault(path, name) != name:
                raise InvalidInput(f"{found.path} is among both {seen[path]} and {name}")
