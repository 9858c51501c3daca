"""A study in a folder: design, rubric, pictures as they are shown, and the log of all answers.

`study.json` is for organisers alone: it says which picture is what. It never changes after it was
made; its digest is in the first line of the log.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from radsmith.errors import InvalidInput, NotFound
from radsmith.files import prepare_folder, read_bytes, write_atomically
from radsmith.review.blinding import blinded, native_side
from radsmith.review.design import Case, Design, Drawn, Kind, Read, planned_reads, shuffled, token
from radsmith.review.gathering import Found, same_files, shown
from radsmith.review.log import LOG_NAME, START, Log, check_line
from radsmith.review.rubric import Rubric, default_rubric, read_rubric
from radsmith.review.verdicts import State

FORMAT = 1
_LONGEST = {"study": 200, "reader": 60}
KEY_NAME, RUBRIC_NAME, PICTURES = "study.json", "rubric.toml", "pictures"
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class NewStudy:
    """What a study is to be made of.

    planted: images with a known defect.  sample: read that many of `images`, drawn by the seed.
    drawn: how each of `images` was chosen, where something else than chance chose.  lot: images
    that these stand for, where they were drawn from more.  rubric: TOML, "" for the shipped one.
    simulated: of readers that are programs.
    """

    name: str
    images: Sequence[Found]
    controls: Sequence[Found] = ()
    planted: Sequence[Found] = ()
    readers: Sequence[str]
    design: Design
    sample: int | None = None
    drawn: Sequence[Drawn] = ()
    lot: int | None = None
    rubric: str = ""
    simulated: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Study:
    """An opened study. native: longer side, in pixels, that all pictures were brought to."""

    folder: Path
    name: str
    created: str
    cases: tuple[Case, ...]
    references: tuple[Case, ...]
    readers: tuple[str, ...]
    simulated: tuple[str, ...]
    design: Design
    rubric: Rubric
    salt: str
    native: int
    lot: int
    prompts: bool

    @cached_property
    def plan(self) -> dict[str, list[Read]]:
        """The reads of each reader, in order."""
        return planned_reads(self.cases, self.readers, self.design, self.salt)

    @cached_property
    def by_id(self) -> dict[str, Case]:
        """Cases and references."""
        return {case.id: case for case in (*self.cases, *self.references)}

    @property
    def synthetic(self) -> list[Case]:
        """The cases that may be accepted."""
        return [case for case in self.cases if case.kind == "synthetic"]

    def fresh(self) -> State:
        """The state before any answer."""
        return State({read.id: read for reads in self.plan.values() for read in reads})

    def path_of(self, case: Case) -> Path:
        """The original file."""
        return Path(os.path.normpath(self.folder / case.file))

    def levels(self, case_id: str) -> bytes:
        """The picture as it is shown: side by side bytes, row by row. Raises NotFound."""
        if case_id not in self.by_id:
            raise NotFound("no such picture in this study")
        with Pillow.open(self.folder / PICTURES / f"{case_id}.png", formats=("PNG",)) as picture:
            return picture.tobytes()


def create_study(folder: Path, new: NewStudy, created: str, progress: Progress) -> Study:
    """Make the study's folder and begin its log. created: ISO 8601.

    Raises InvalidInput where the folder holds a study, or the design cannot be met.
    """
    if (folder / LOG_NAME).exists() or (folder / KEY_NAME).exists():
        raise InvalidInput(f"{folder} holds a study already: name another folder")
    rubric_text = new.rubric or default_rubric()
    read_rubric(rubric_text)
    _check_names(new)
    same_files([("images", new.images), ("controls", new.controls), ("planted", new.planted)])
    picked = _picked(new)
    salt = secrets.token_hex(16)
    prepare_folder(folder / PICTURES)
    native, cases, references = _drawn(folder, picked, salt, new.design.seed, progress)
    planned_reads(cases, new.readers, new.design, salt)
    key = {
        "format": FORMAT,
        "name": new.name,
        "created": created,
        "salt": salt,
        "native": native,
        "lot": max(new.lot or 0, len(new.images)),
        "prompts": all(case.prompt for case in cases),
        "design": asdict(new.design),
        "readers": list(new.readers),
        "simulated": list(new.simulated),
        "cases": [asdict(case) for case in cases],
        "references": [asdict(case) for case in references],
    }
    data = (json.dumps(key, indent=1, ensure_ascii=False) + "\n").encode()
    write_atomically(folder / RUBRIC_NAME, rubric_text.encode())
    write_atomically(folder / KEY_NAME, data)
    os.chmod(folder / KEY_NAME, 0o600)
    first = {"event": "study", "name": new.name, "at": created, "by": "organiser"}
    first |= {"study_sha256": hashlib.sha256(data).hexdigest()}
    first |= {"rubric_sha256": hashlib.sha256(rubric_text.encode()).hexdigest()}
    Log(folder).create(first)
    return open_study(folder)


def _check_names(new: NewStudy) -> None:
    for what, name in (("study", new.name), *(("reader", reader) for reader in new.readers)):
        most = _LONGEST[what]
        if not 0 < len(name.strip()) <= most or not name.isprintable():
            option = "--name" if what == "study" else "--reader"
            raise InvalidInput(
                f"a {what} has a name of 1-{most} characters ({option}), got {name[:most]!r}"
            )


@dataclass(frozen=True)
class _Picked:
    kind: Kind
    found: Found
    drawn: Drawn = "random"


def _picked(new: NewStudy) -> tuple[list[_Picked], list[Found]]:
    """The images to be read, and the real ones left over to be shown beside them."""
    seed = new.design.seed
    by_chance: Drawn = "random"
    drawn = new.drawn or [by_chance] * len(new.images)
    images = [
        _Picked("synthetic", found, how) for found, how in zip(new.images, drawn, strict=True)
    ]
    if new.sample is not None:
        if not 1 <= new.sample <= len(images):
            raise InvalidInput(f"cannot read {new.sample} of {len(images)} images")
        images = shuffled(images, seed, "images")[: new.sample]
    planted = [_Picked("planted", found) for found in new.planted]
    wanted = new.design.controls_for(len(images) + len(planted)) if new.controls else 0
    real = shuffled(new.controls, seed, "controls")
    if wanted > len(real):
        raise InvalidInput(
            f"{wanted} real images make up {new.design.controls:.0%} of what is read and there are"
            f" {len(real)}: give more with --controls, or lower --control-share"
        )
    controls = [_Picked("control", found) for found in real[:wanted]]
    return [*images, *planted, *controls], real[wanted:]


def _drawn(
    folder: Path,
    picked: tuple[list[_Picked], list[Found]],
    salt: str,
    seed: int,
    progress: Progress,
) -> tuple[int, list[Case], list[Case]]:
    """All pictures in one form under names that say nothing."""
    items, left = picked
    groups = {item.found.group for item in items}
    beside: dict[str, Found] = {}
    for found in left:
        if found.group in groups:
            beside.setdefault(found.group, found)
    total = 2 * (len(items) + len(beside))
    sizes = []
    for found in [*(item.found for item in items), *beside.values()]:
        pixels, _ = shown(found.path)
        sizes.append((pixels.shape[0], pixels.shape[1]))
        progress(len(sizes), total)
    native = native_side(sizes)
    references: dict[str, Case] = {}
    for number, (group, found) in enumerate(sorted(beside.items())):
        case_id = token(salt, "reference", str(number))
        digest = _write(folder, case_id, found, native)
        references[group] = _case(folder, _Picked("control", found), case_id, digest, "")
        progress(len(sizes) + number + 1, total)
    cases = []
    for number, item in enumerate(items):
        case_id = token(salt, "case", str(number))
        digest = _write(folder, case_id, item.found, native)
        beside_it = references.get(item.found.group)
        cases.append(_case(folder, item, case_id, digest, beside_it.id if beside_it else ""))
        progress(len(sizes) + len(references) + number + 1, total)
    return native, shuffled(cases, seed, "cases"), list(references.values())


def _write(folder: Path, case_id: str, found: Found, native: int) -> str:
    pixels, digest = shown(found.path)
    square = blinded(pixels, native)
    path = folder / PICTURES / f"{case_id}.png"
    Pillow.fromarray(np.asarray(square)).save(path, "PNG", compress_level=1)
    os.utime(path, (0, 0))
    return digest


def _case(folder: Path, item: _Picked, case_id: str, digest: str, reference: str) -> Case:
    found = item.found
    return Case(
        id=case_id,
        kind=item.kind,
        file=os.path.relpath(found.path.resolve(), folder.resolve()),
        sha256=digest,
        prompt=found.prompt,
        group=found.group,
        source=found.source or ("real" if item.kind == "control" else ""),
        finding=found.finding,
        reference=reference,
        drawn=item.drawn,
    )


def open_study(folder: Path) -> Study:
    """Open what `create_study` made. Raises NotFound, or InvalidInput where it was changed."""
    if not (folder / KEY_NAME).is_file():
        raise NotFound(f"{folder} is no study: make one with `radsmith review new {folder} …`")
    data = read_bytes(folder / KEY_NAME)
    rubric_text = read_bytes(folder / RUBRIC_NAME)
    first = _first(folder)
    for name, given in (("study", data), ("rubric", rubric_text)):
        if hashlib.sha256(given).hexdigest() != first.get(f"{name}_sha256"):
            raise InvalidInput(
                f"the {name} in {folder} is not the one its log began with: it was changed"
            )
    key: dict[str, Any] = json.loads(data)
    if key["format"] != FORMAT:
        raise InvalidInput(f"{folder} has format {key['format']}, this radsmith reads {FORMAT}")
    return Study(
        folder=folder,
        name=key["name"],
        created=key["created"],
        cases=tuple(Case(**case) for case in key["cases"]),
        references=tuple(Case(**case) for case in key["references"]),
        readers=tuple(key["readers"]),
        simulated=tuple(key["simulated"]),
        design=Design(**key["design"]),
        rubric=read_rubric(rubric_text.decode()),
        salt=key["salt"],
        native=key["native"],
        lot=key["lot"],
        prompts=key["prompts"],
    )


def _first(folder: Path) -> dict[str, Any]:
    try:
        with (folder / LOG_NAME).open("rb") as file:
            return check_line(file.readline(), START, 1)
    except FileNotFoundError as error:
        raise NotFound(f"{folder} has lost its {LOG_NAME}: put it back") from error


def read_study(folder: Path) -> tuple[Study, State, str]:
    """A study, its state, and the hash of its log's head, the whole chain checked."""
    study, log = open_study(folder), Log(folder)
    state = study.fresh()
    state.apply(log.news())
    return study, state, log.head
