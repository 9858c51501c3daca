"""Who sees what, and in which order: decided by the seed, before anybody has seen anything."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from radsmith.errors import InvalidInput

T = TypeVar("T")
Kind = Literal["synthetic", "control", "planted"]
"""Made by a model; a hidden real image; an image with a known defect, to measure readers."""
Drawn = Literal["random", "unsure"]
GAP = 10
"""Other images between two reads of one case, where there are as many."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One image of a study.

    id: says nothing of the image.  file: the original, relative to the study.  sha256: of its
    bytes.  source: what made it, or "real".  finding: what is right to see, if known.
    reference: id of a real image of the same kind, shown beside it.  drawn: how it came to be read;
    only what was drawn at random speaks for the rest of its lot.
    """

    id: str
    kind: Kind
    file: str
    sha256: str
    prompt: str = ""
    group: str = ""
    source: str = ""
    finding: str = ""
    reference: str = ""
    drawn: Drawn = "random"


@dataclass(frozen=True, kw_only=True)
class Design:
    """controls: share of real images among those shown.  repeats: share of a reader's cases that
    come twice.  reads: readers a case.  phases: 2 asks "real?" once all else is answered.
    """

    seed: int = 0
    controls: float = 0.2
    repeats: float = 0.1
    reads: int = 2
    phases: int = 2

    def __post_init__(self) -> None:
        if not 0 <= self.controls <= 0.8:
            raise InvalidInput(f"the share of controls must be 0-0.8, got {self.controls}")
        if not 0 <= self.repeats <= 0.5:
            raise InvalidInput(f"the share of repeats must be 0-0.5, got {self.repeats}")
        if not 1 <= self.reads <= 3:
            raise InvalidInput(f"a case is read by 1-3 readers, got {self.reads}")
        if self.phases not in (1, 2):
            raise InvalidInput(f"a study has 1 or 2 phases, got {self.phases}")

    def controls_for(self, synthetic: int) -> int:
        """How many controls make up their share beside that many other images."""
        return round(synthetic * self.controls / (1 - self.controls))


@dataclass(frozen=True, kw_only=True)
class Read:
    """One look of one reader at one case. id: says nothing of the case; repeat: the second look."""

    id: str
    case: str
    reader: str
    phase: int
    repeat: bool = False


def planned_reads(
    cases: Sequence[Case], readers: Sequence[str], design: Design, salt: str
) -> dict[str, list[Read]]:
    """The reads of each reader, in order: those of phase 1, then those of phase 2.

    salt: secret of the study, so that ids cannot be computed from what a reader knows.
    Raises InvalidInput where there are fewer readers than reads a case.
    """
    if len(set(readers)) != len(readers) or not readers:
        raise InvalidInput("a study needs readers, each named once")
    if design.reads > len(readers):
        raise InvalidInput(
            f"{design.reads} readers a case are asked for and {len(readers)} named:"
            " name more with --reader, or lower --reads"
        )
    shares = _shares([case.id for case in cases], readers, design)
    return {
        reader: [
            Read(
                id=token(salt, "read", reader, str(phase), str(place)),
                case=case,
                reader=reader,
                phase=phase,
                repeat=repeat,
            )
            for phase in range(1, design.phases + 1)
            for place, (case, repeat) in enumerate(_order(shares[reader], reader, phase, design))
        ]
        for reader in readers
    }


def token(salt: str, *parts: str) -> str:
    """16 hexadecimal digits that tell nothing of what they stand for."""
    text = "".join(f"{len(part)}:{part}" for part in (salt, *parts))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def shuffled(items: Sequence[T], *purpose: object) -> list[T]:
    """The items in an order that hangs on the purpose and their places alone.

    By hashes, so that the same seed gives the same order with any version of any library.
    """
    places = sorted(range(len(items)), key=lambda place: _hash(*purpose, place))
    return [items[place] for place in places]


def _hash(*purpose: object) -> int:
    text = " ".join(map(str, purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _shares(cases: Sequence[str], readers: Sequence[str], design: Design) -> dict[str, list[str]]:
    """Which cases each reader sees: each case by `reads`, all readers as many but for one."""
    shares: dict[str, list[str]] = {reader: [] for reader in readers}
    for place, case in enumerate(shuffled(cases, design.seed, "shares")):
        free = shuffled(readers, design.seed, "readers", place)
        for reader in sorted(free, key=lambda r: len(shares[r]))[: design.reads]:
            shares[reader].append(case)
    return shares


def _order(share: Sequence[str], reader: str, phase: int, design: Design) -> list[tuple[str, bool]]:
    """A reader's cases shuffled, some of them again at least GAP places later."""
    purpose = design.seed, reader, phase
    order = [(case, False) for case in shuffled(share, *purpose, "order")]
    gap = min(GAP, max(1, len(share) // 2))
    again = shuffled(share, *purpose, "again")[: round(len(share) * design.repeats)]
    for number, case in enumerate(again):
        first = order.index((case, False))
        least = min(first + gap + 1, len(order))
        place = least + _hash(*purpose, "place", number) % (len(order) - least + 1)
        order.insert(place, (case, True))
    return order
