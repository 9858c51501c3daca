"""Words of a data set that the vocabulary lacks: which they are, and what is known of them.

Rows are those of a manifest or of a list of labels; columns that are missing say nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from radsmith.language.reading import LONGEST_TEXT, read_prompt
from radsmith.language.vocabulary import (
    LEARNABLE,
    default_vocabulary,
    shipped_vocabulary,
    slug,
    to_toml,
)

Row = Mapping[str, str]
_ID = re.compile(r"[a-z_]+:[a-z0-9]+(-[a-z0-9]+)*")


def phrases(row: Row) -> list[tuple[str, str]]:
    """Kind and words of everything that a row names, besides what only the default data have."""
    found = [("body_part", row.get("body_part", "")), ("view", row.get("view", ""))]
    found += [("technique", phrase) for phrase in row.get("technique", "").split(",")]
    found += [("finding", phrase) for phrase in row.get("findings", "").split(";")]
    return [(kind, phrase.strip()) for kind, phrase in found if phrase.strip()]


def meant(kind: str, phrase: str) -> tuple[str, ...]:
    """Ids that a phrase or id stands for; a new one where the vocabulary has no such words.

    None for the denial of findings ("no effusion").
    """
    vocabulary = default_vocabulary()
    if phrase in vocabulary.concepts or phrase.startswith("severity:"):
        return (phrase,)
    if not slug(phrase) or (kind == "finding" and denied_findings(phrase)):
        return ()
    own = phrase if _ID.fullmatch(phrase) else f"{kind}:{slug(phrase)}"
    if own in vocabulary.concepts:
        return (own,)
    words = own.partition(":")[2].replace("-", " ")
    found = vocabulary.find(phrase) or vocabulary.find(words)
    return tuple(c for c in found if c.partition(":")[0] in LEARNABLE) or (own,)


def denied_findings(phrase: str) -> tuple[str, ...]:
    """Ids of the findings that the words deny, where they name some and deny all of them."""
    if len(phrase) > LONGEST_TEXT:
        return ()
    findings = read_prompt(phrase).prompt.findings
    if any(finding.present for finding in findings):
        return ()
    return tuple(finding.concept for finding in findings)


def new_words(rows: Iterable[Row]) -> str:
    """TOML of the body parts, findings and techniques (by id) that the shipped vocabulary lacks.

    The same for the same rows, whatever was learned before.
    """
    vocabulary, shipped = default_vocabulary(), shipped_vocabulary()
    beside: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        named = row.get("body_part", "").strip()
        part = next(iter(meant("body_part", named)), "") if named else ""
        context = (slug(row.get("modality", "")), part.partition(":")[2])
        for kind, phrase in phrases(row):
            if kind in ("view", "technique") and not _ID.fullmatch(phrase):
                continue  # scanners' prose
            for concept in meant(kind, phrase):
                if concept not in shipped.concepts and concept.partition(":")[0] in LEARNABLE:
                    beside.setdefault(concept, []).append(context)
    known = vocabulary.concepts
    return "\n".join(
        to_toml([known[c]]) if c in known else _entry(c, Counter(seen))
        for c, seen in sorted(beside.items())
    )


def _entry(concept: str, seen: Counter[tuple[str, str]]) -> str:
    """A concept named by its slug, belonging where most of its images are."""
    kind, _, name = concept.partition(":")
    lines = [f"[{kind}.{name}]", f'name = "{name.replace("-", " ")}"']
    modalities = sorted({m for (m, _), n in seen.items() if m and n * 20 >= seen.total()})
    parts = sorted({p for (_, p), n in seen.items() if p and n * 20 >= seen.total()})
    if kind == "body_part":
        usual = max(sorted(seen), key=lambda context: seen[context])[0]
        lines.append(f'modality = "{usual}"')
    else:
        lines += [f"modalities = {modalities}", f"body_parts = {parts}"]
    return "\n".join(lines) + "\n"
