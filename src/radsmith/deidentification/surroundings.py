"""Whom a report without a header may be about: the objects around it, its path, its own head.

A report in a patient's folder is that patient's. Where the objects around it are of several, it may
be about any of them: then common words protect what is only alike.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import islice
from operator import or_
from pathlib import Path

from radsmith.deidentification.attributes import patient_key
from radsmith.deidentification.common_words import is_common
from radsmith.deidentification.header import identity_in
from radsmith.deidentification.identity import Identity
from radsmith.deidentification.romanise import romanise
from radsmith.deidentification.scrub import names_said
from radsmith.deidentification.spelling import folded
from radsmith.images.dicom.opening import open_head
from radsmith.images.dicom.signature import is_dicom

_MOST_FILES = 5000
_MOST_PATIENTS = 200
_STRUCTURED = re.compile(rb"1\.2\.840\.10008\.5\.1\.4\.1\.1\.88\.")


class Surroundings:
    """Identities of the DICOM objects below the sources, read folder by folder when asked for."""

    def __init__(self, sources: Sequence[Path]) -> None:
        self._roots = {s.resolve() if s.is_dir() else s.resolve().parent for s in sources}
        self._folders: dict[Path, dict[str, Identity]] = {}

    def identity_of(self, path: Path, text: str) -> Identity:
        """What identifies in a report: names, numbers and dates known from around it."""
        known = Identity(romanise=romanise, names=frozenset(names_said(text)))
        for found in (self._beside(path), self._around(path), self._told_by(path)):
            known |= found
        return known

    def beside(self, path: Path, data: bytes) -> Identity | None:
        """For a structured report, what identifies by the objects around it; else nothing."""
        return self._around(path) if _STRUCTURED.search(data[:4096]) else None

    def _beside(self, path: Path) -> Identity:
        """Of the object of the same name."""
        for other in sorted(path.parent.glob(f"{_escaped(path.stem)}*")):
            if other != path and other.is_file():
                for _, identity in _heads([other]):
                    return identity
        return Identity()

    def _around(self, path: Path) -> Identity:
        """Of the objects in the nearest folder that has any below it."""
        for folder in self._upward(path.resolve().parent):
            people = self._people_in(folder)
            if len(people) == 1:
                return next(iter(people.values()))
            if len(people) > _MOST_PATIENTS:
                return Identity()
            if people:
                return reduce(or_, (p.as_others() for p in people.values()))
        return Identity()

    def _upward(self, folder: Path) -> Iterator[Path]:
        inside = [root for root in self._roots if root == folder or root in folder.parents]
        last = min(inside, key=lambda root: len(root.parts), default=folder)
        while True:
            yield folder
            if folder == last or folder == folder.parent:
                return
            folder = folder.parent

    def _people_in(self, folder: Path) -> dict[str, Identity]:
        if folder not in self._folders:
            people: dict[str, Identity] = {}
            files = (p for p in sorted(folder.rglob("*")) if p.is_file() and not p.is_symlink())
            for patient, identity in _heads(islice(files, _MOST_FILES)):
                people[patient] = people[patient] | identity if patient in people else identity
            self._folders[folder] = people
        return self._folders[folder]

    def _told_by(self, path: Path) -> Identity:
        """Words and numbers of the names of file and folders that are no common words."""
        names = [path.stem]
        for folder in self._upward(path.resolve().parent):
            names.append(folder.name)
        parts = [w for name in names for w in re.split(r"[\W_]+", name) if w]
        words = {w for w in parts if not any(c.isdigit() for c in w) and not is_common(folded(w))}
        numbers = {w for w in parts if sum(c.isdigit() for c in w) > 3}
        dates = {n for n in numbers if re.fullmatch(r"(?:19|20)\d{6}", n)}
        return Identity(
            others=frozenset(w for w in words if len(w) > 1),
            numbers=frozenset(numbers - dates),
            dates=frozenset(dates),
        )


def _heads(paths: Iterator[Path] | Sequence[Path]) -> Iterator[tuple[str, Identity]]:
    for path in paths:
        try:
            with path.open("rb") as file:
                if not is_dicom(file.read(256)):
                    continue
                file.seek(0)
                head = open_head(file)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield patient_key(head), identity_in(head)
        except Exception:  # damaged objects tell nothing here; they are reported when copied
            continue


def _escaped(stem: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", stem)
