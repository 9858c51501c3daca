"""Which classes the images of a data set fall into, and how well a model learned each.

A class is what the user says: by columns of the manifest, or by each finding. Knows no files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from radsmith.datasets.corpus import TOGETHER
from radsmith.engines.engine import ModelFacts
from radsmith.errors import InvalidInput
from radsmith.language.prompt import NORMAL, NOT_ABNORMAL
from radsmith.language.vocabulary import default_vocabulary

Row = Mapping[str, str]
BY = ("modality", "body_part", "finding")
"""What a class is: columns, or `finding`, which makes a class of each finding of an image."""
NOT_LABELS = (
    "key", "shard", "width", "height", "caption", "patient_id", "source", "origin", "spacing",
    "digest", "alike", "series", "synthetic", "model_digest", "seed", "prompt", "labels",
)  # fmt: skip
"""Columns that say nothing of what an image shows."""
_KINDS = {
    "modality": ("modality:",), "body_part": ("body_part:",), "view": ("view:",), "sex": ("sex:",),
    "technique": ("technique:",), "findings": ("finding:", "severity:"), "laterality": ("side:",),
    "age_group": ("age_group:",),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """Rows of a training manifest with the concept ids of each."""

    rows: Sequence[Row]
    concepts: Sequence[tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class LabelClass:
    """Images with one value in each of the columns that make a class.

    concepts: ids that all of them share by these columns.  real: numbers of the real rows.
    synthetic: how many were made before.  learned: at most so many training images of it did the
    model see, None where nobody knows.
    """

    name: str
    concepts: tuple[str, ...]
    real: tuple[int, ...]
    synthetic: int
    learned: int | None

    @property
    def size(self) -> int:
        """Images of the class before anything is added."""
        return len(self.real) + self.synthetic


def classes_of(
    real: Labelled, made: Labelled, by: Sequence[str], facts: ModelFacts
) -> list[LabelClass]:
    """Classes with at least one real image, largest first; an image may be of several findings.

    made: synthetic rows that are there already.
    Raises InvalidInput for a column that is not there or says nothing of what an image shows.
    """
    _check_columns(real, by)
    members: dict[tuple[str, ...], list[int]] = {}
    for number, values in _every(real, by):
        members.setdefault(values, []).append(number)
    before = Counter(values for _, values in _every(made, by))
    found = []
    for values, rows in members.items():
        concepts = _shared(real, by, values, rows)
        found.append(
            LabelClass(
                name=_name(by, values),
                concepts=concepts,
                real=tuple(rows),
                synthetic=before[values],
                learned=learned_images(concepts, facts),
            )
        )
    return sorted(found, key=lambda c: (-c.size, c.name))


def learned_images(concepts: Sequence[str], facts: ModelFacts) -> int | None:
    """Training images of the rarest of these concepts and of those that are counted together;
    None: nobody knows.

    An upper bound for all of them together, of which models keep no count.
    """
    counts = [facts.count(c) for c in concepts]
    for kinds in TOGETHER:
        own = ([c for c in concepts if c.startswith(kind)] for kind in kinds)
        counts += [facts.count(*ids) for ids in product(*own)]
    known = [n for n in counts if n is not None]
    return min(known) if known else None


def _check_columns(data: Labelled, by: Sequence[str]) -> None:
    if not data.rows:
        raise InvalidInput("the data set's training split holds no real image")
    there = [c for c in data.rows[0] if c not in NOT_LABELS]
    wrong = [c for c in by if c not in (*there, "finding")]
    if wrong or not by:
        raise InvalidInput(
            f"a class cannot be made by {', '.join(wrong) or 'nothing'}: there are finding,"
            f" {', '.join(there)}"
        )


def _every(data: Labelled, by: Sequence[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Number of each row with the values of a class it belongs to, once for each class."""
    for number, (row, ids) in enumerate(zip(data.rows, data.concepts, strict=True)):
        for values in _values(row, ids, by):
            yield number, values


def _values(row: Row, ids: Sequence[str], by: Sequence[str]) -> Iterator[tuple[str, ...]]:
    findings = [c for c in ids if c.startswith("finding:")]
    if not set(findings) <= NOT_ABNORMAL:
        findings = [c for c in findings if c != NORMAL]
    return product(
        *((findings or [""]) if column == "finding" else [row.get(column) or ""] for column in by)
    )


def _shared(
    data: Labelled, by: Sequence[str], values: Sequence[str], real: Sequence[int]
) -> tuple[str, ...]:
    """Concepts that the columns give to every row of a class."""
    kinds = tuple(kind for column in by for kind in _KINDS.get(column, ()))
    own = [v for column, v in zip(by, values, strict=True) if column == "finding" and v]
    common = set.intersection(*(set(data.concepts[n]) for n in real))
    shared = [c for c in data.concepts[real[0]] if c in common and kinds and c.startswith(kinds)]
    return tuple(dict.fromkeys((*shared, *own)))


def _name(by: Sequence[str], values: Sequence[str]) -> str:
    """Such as "chest x-ray: pneumonia"."""
    known = default_vocabulary().concepts
    said = {}
    for column, value in zip(by, values, strict=True):
        concept = known.get(value if column == "finding" else f"{column}:{value}")
        said[column] = concept.name if concept else value
    head = " ".join(said.pop(c) for c in ("body_part", "modality") if said.get(c))
    rest = ", ".join(v or f"no {c.replace('_', ' ')} said" for c, v in said.items())
    return ": ".join(part for part in (head, rest) if part)
