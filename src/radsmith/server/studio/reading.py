"""A prompt while it is typed: what each word was read as, and what the model knows of it."""

from __future__ import annotations

from typing import Any

from radsmith.engines.engine import ModelFacts
from radsmith.errors import InvalidInput
from radsmith.generation.plan import WEAK, plan
from radsmith.language.reading import Reading, read_prompt
from radsmith.language.vocabulary import ABSENT, default_vocabulary


def reading_of(text: str, facts: ModelFacts, size: tuple[int, int] | None = None) -> dict[str, Any]:
    """JSON values: canonical sentence, chips, unknown words, warnings; or `error`, the reason why
    there is nothing to draw. size: width, height; None as natural."""
    empty: dict[str, Any] = {"canonical": "", "chips": [], "unknown": [], "warnings": []}
    try:
        reading = read_prompt(text)
    except InvalidInput as error:
        return empty | {"error": str(error)}
    view = empty | {
        "chips": _chips(reading, facts),
        "unknown": [{"word": u.word, "suggestions": u.suggestions} for u in reading.unknown],
    }
    try:
        planned = plan(text, facts, size=size)
    except InvalidInput as error:
        return view | {"error": str(error)}
    known = {f"not understood: {unknown}" for unknown in reading.unknown}
    warnings = [w for w in planned.warnings if w not in known]
    return view | {"canonical": planned.canonical, "warnings": warnings, "error": ""}


def _chips(reading: Reading, facts: ModelFacts) -> list[dict[str, Any]]:
    """standing: "learned", "weak", "never", "noted" for side, site, severity and age, or "absent"
    for what must not be seen."""
    vocabulary = default_vocabulary()
    chips = []
    for span in reading.spans:
        if not span.concepts:
            age = reading.prompt.age_in_words
            chips.append(_chip(span.text, age, "age", "noted", None, ""))
        for concept_id in span.concepts:
            concept = vocabulary[concept_id.removeprefix(ABSENT)]
            absent = concept_id.startswith(ABSENT) or concept.id in reading.prompt.absent
            count = facts.count(concept.id)
            standing = "learned" if (count or 0) >= WEAK else "weak" if count else "never"
            if count is None or concept.kind in ("side", "site", "severity"):
                standing = "noted"  # what the model makes of these is told as a warning
            name = f"no {concept.name}" if absent else concept.name
            code = f"{concept.code[0]} {concept.code[1]}" if concept.code else ""
            kind = concept.kind.replace("_", " ")
            chips.append(
                _chip(span.text, name, kind, "absent" if absent else standing, count, code)
            )
    return chips


def _chip(
    words: str, name: str, kind: str, standing: str, images: int | None, code: str
) -> dict[str, Any]:
    return {
        "words": words,
        "name": name,
        "kind": kind,
        "standing": standing,
        "images": images,
        "code": code,
    }
