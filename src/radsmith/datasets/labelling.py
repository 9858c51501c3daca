"""What a row of a list or manifest says of findings, put into an entry."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from radsmith.datasets.entry import VOCABULARY, Entry
from radsmith.datasets.listed import Listed, mark_of
from radsmith.errors import InvalidInput
from radsmith.files import read_bytes
from radsmith.language.own_words import denied_findings, meant, new_words
from radsmith.language.vocabulary import Concept, default_vocabulary, learn_concepts, to_toml
from radsmith.tables import text_of


def labelled(entry: Entry, row: Mapping[str, str], columns: Iterable[str]) -> Entry:
    """The entry with the row's labels; what the row says goes before what the entry had.

    `labels` is JSON as in a manifest, `findings` holds phrases or ids with semicolons between
    them, and columns are named like findings and hold 1, 0 or -1. Raises InvalidInput for labels
    that are no JSON object.
    """
    labels = dict(entry.labels) | _kept(row.get("labels", ""))
    severity = entry.severity
    part = f"body_part:{entry.body_part.replace(' ', '-')}"
    for phrase in filter(None, (p.strip() for p in row.get("findings", "").split(";"))):
        if phrase.startswith("severity:"):
            severity = phrase
            continue
        labels |= {c: 1.0 for c in _findings(phrase, part)}
        labels |= {c: 0.0 for c in denied_findings(phrase) if c not in labels}
    for column in columns:
        mark = mark_of(row.get(column, ""))
        if mark is not None:
            labels |= dict.fromkeys(_findings(column, part), mark)
    return replace(entry, labels=labels, severity=severity)


def own_vocabulary(file: Path | None, folders: Iterable[Path], listed: Listed | None) -> str:
    """TOML of one's own words: of a file, of data sets among the sources, and of a list.

    Raises NotFound for a missing file, InvalidInput for one that cannot be learned.
    """
    files = [file] if file else []
    files += [f / VOCABULARY for f in folders if (f / VOCABULARY).is_file()]
    found: dict[str, Concept] = {}
    for path in files:
        try:
            found |= {c.id: c for c in learn_concepts(text_of(read_bytes(path), str(path)))}
        except InvalidInput as error:
            named = str(path) in str(error)
            raise error if named else InvalidInput(f"{path}: {error}") from error
    rows = listed.for_words if listed else []
    found |= {c.id: c for c in learn_concepts(new_words(rows))}
    return to_toml(found.values())


def _findings(phrase: str, part: str) -> list[str]:
    """Known findings that a phrase or id stands for, in the sense they have of a body part."""
    vocabulary = default_vocabulary()
    ids = [c for c in meant("finding", phrase) if c in vocabulary.concepts]
    return [vocabulary.resolve(c, [part]) for c in ids if c.startswith("finding:")]


def _kept(text: str) -> dict[str, float]:
    if not text.strip():
        return {}
    try:
        said = {c: float("nan") if v is None else float(v) for c, v in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError) as error:
        told = f"expected a JSON object in the column labels, got {text[:80]!r}"
        raise InvalidInput(told) from error
    known = default_vocabulary().concepts
    return {c: v for c, v in said.items() if c in known}
