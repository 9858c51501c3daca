"""Laws of reading and rendering prompts."""

from itertools import chain

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from radsmith.errors import InvalidInput
from radsmith.language.prompt import (
    NORMAL,
    NOT_ABNORMAL,
    Finding,
    Prompt,
    complete,
    render,
    settled,
)
from radsmith.language.reading import read_prompt
from radsmith.language.vocabulary import default_vocabulary

VOCABULARY = default_vocabulary()


def ids(kind: str) -> list[str]:
    return [c for c in VOCABULARY.concepts if c.startswith(f"{kind}:")]


def maybe(kind: str) -> st.SearchStrategy[str | None]:
    return st.none() | st.sampled_from(ids(kind))


@st.composite
def prompts(draw: st.DrawFn) -> Prompt:
    part = draw(maybe("body_part"))
    places = ids("site") + (ids("body_part") if part else [])
    concepts = draw(st.lists(st.sampled_from(ids("finding")), max_size=3, unique=True))
    findings = [
        Finding(concept=NORMAL)
        if concept == NORMAL
        else Finding(
            concept=concept,
            present=draw(st.booleans()),
            side=draw(maybe("side")),
            severity=draw(maybe("severity")),
            sites=tuple(draw(st.lists(st.sampled_from(places), max_size=2, unique=True))),
        )
        for concept in concepts
    ]
    real = {f.concept for f in findings if f.present} - NOT_ABNORMAL
    findings = [f for f in findings if f.concept != NORMAL or not real]
    absent = {f.concept for f in findings if not f.present}
    assume(not any(absent & set(VOCABULARY.implied((c,))) for c in real))
    try:
        return settled(
            {
                "modality": draw(maybe("modality")),
                "body_part": part,
                "side": draw(maybe("side")),
                "views": draw(st.lists(st.sampled_from(ids("view")), max_size=2)),
                "techniques": draw(st.lists(st.sampled_from(ids("technique")), max_size=2)),
                "age_group": draw(maybe("age_group")),
                "age_years": draw(st.none() | st.integers(0, 120)),
                "sex": draw(maybe("sex")),
                "findings": findings,
            }
        )
    except InvalidInput:  # generic findings may become contradictory next to a body part
        assume(False)
        raise


@given(prompts())
@settings(max_examples=600)
def test_reading_what_was_rendered_gives_the_prompt_back(prompt: Prompt) -> None:
    text = render(prompt)
    assume(text)
    absent = set(prompt.absent)
    present = [f.concept for f in prompt.findings if f.present]
    assume(not any(absent & set(VOCABULARY.implied((c,))) for c in present))
    reading = read_prompt(text)
    assert reading.prompt == prompt, text
    assert not reading.unknown, text


@given(prompts(), st.randoms())
@settings(max_examples=300)
def test_the_order_of_clauses_does_not_matter(prompt: Prompt, random: object) -> None:
    clauses = render(prompt).split(", ")
    random.shuffle(clauses)  # type: ignore[attr-defined]
    text = ", ".join(clauses)
    assume(text)
    assert read_prompt(text).prompt == read_prompt(render(prompt)).prompt, text


@pytest.mark.parametrize("concept", [c for c in ids("finding") if c != NORMAL])
def test_a_negated_finding_is_never_drawn(concept: str) -> None:
    entry = VOCABULARY[concept]
    for part in ("", *entry.body_parts[:2]):
        for words in (entry.name, *entry.forms):
            for negator in ("no", "without", "no evidence of", "negative for"):
                text = f"{part + ' x-ray, ' if part else ''}{negator} {words}"
                prompt = read_prompt(text).prompt
                assert concept not in prompt.concepts, text
                drawn = [c for c in prompt.concepts if c.startswith("finding:") and c != NORMAL]
                assert not drawn, text


@pytest.mark.parametrize("concept", list(VOCABULARY.concepts))
def test_every_form_means_its_concept(concept: str) -> None:
    entry = VOCABULARY[concept]
    for words in (entry.name, *entry.forms):
        assert concept in VOCABULARY.find(words), words
        assert concept in VOCABULARY.find(words.upper()), words


def test_no_two_meanings_share_their_words() -> None:
    from radsmith.language.vocabulary import fold

    seen: dict[tuple[str, ...], tuple[str, ...]] = {}
    clashes = [
        (words, concepts, seen[fold(words)])
        for words, concepts in VOCABULARY.all_forms()
        if seen.setdefault(fold(words), concepts) != concepts
    ]
    assert not clashes


@pytest.mark.parametrize("concept", ids("finding"))
def test_synonyms_read_alike(concept: str) -> None:
    entry = VOCABULARY[concept]
    wanted = read_prompt(f"{entry.name}, adult").prompt
    for words in entry.forms:
        assert read_prompt(f"adult, {words}").prompt == wanted, words


def test_codes_are_those_of_the_dicom_dictionaries() -> None:
    from pydicom.sr._concepts_dict import concepts

    known = {
        scheme: set(chain.from_iterable(entries.values())) for scheme, entries in concepts.items()
    }
    coded = [c for c in VOCABULARY.concepts.values() if c.code]
    assert len(coded) > 150
    for concept in coded:
        assert concept.code is not None
        assert concept.code[0] in known[concept.code[1]], concept.id


def test_it_is_as_large_as_promised() -> None:
    assert len(VOCABULARY.concepts) >= 300
    assert len(VOCABULARY.meanings) >= 1500


def test_the_model_knows_only_concepts_of_the_vocabulary() -> None:
    from radsmith.engines.model_files import default_folder

    text = (default_folder() / "model.json").read_text(encoding="utf-8")
    import json

    table = json.loads(text)["table"]
    assert {c for c in table if not c.startswith("style:")} <= set(VOCABULARY.concepts)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (
            "chest x-ray, PA, adult, moderate right pleural effusion, no pneumothorax",
            "chest x-ray, PA view, adult, moderate right pleural effusion, no pneumothorax",
        ),
        (
            "Left knee radiograph of a 67-year-old woman with severe osteoarthritis (KL grade 4)",
            "left knee x-ray, 67-year-old, female, severe osteoarthritis",
        ),
        (
            "no effusion, pneumothorax, or consolidation. chest xray",
            "chest x-ray, no consolidation, no pleural effusion, no pneumothorax",
        ),
        (
            "axial T1 post-contrast MRI of the brain: left frontal lobe glioblastoma",
            "brain MRI, axial slice, post-contrast, T1-weighted,"
            " left glioblastoma in the frontal lobe",
        ),
        (
            "A knee with no fracture and no effusion but severe osteoarthritis",
            "knee, severe osteoarthritis, no fracture, no joint effusion",
        ),
        ("pneumothorax is not seen. pneumonia. CXR", "chest x-ray, pneumonia, no pneumothorax"),
        ("normal heart size, chest radiograph", "chest x-ray, no cardiomegaly"),
        ("x-ray of the left knee", "left knee x-ray"),
        ("pneumonia, resolved, chest x-ray", "chest x-ray, no pneumonia"),
        ("An x-ray of the head", "skull x-ray"),
        ("MRI of the head", "brain MRI"),
        ("effusion left and pneumothorax right, cxr", "chest x-ray, left pleural effusion,"
         " right pneumothorax"),
        ("CT abdomen with contrast; MRI-like", "abdomen CT, contrast-enhanced"),
        ("ct of the brain in a 3 month old girl", "head CT, 0-year-old, female"),
        ("fracture of the left clavicle, chest film", "chest x-ray, left fracture in the clavicle"),
    ],
)  # fmt: skip
def test_sentences_as_people_write_them(text: str, canonical: str) -> None:
    assert render(read_prompt(text).prompt) == canonical


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("ultrasound of a rib fracture in AP view", "AP view"),
        ("knee x-ray, pneumothorax", "not a finding of the knee"),
        ("chest x-ray, normal, pneumonia", "contradicts"),
        ("chest x-ray, pneumonia, no pneumonia", "both present and absent"),
        ("chest x-ray and CT", "one image has one modality"),
        ("chest x-ray, possible pneumonia", "uncertain"),
        ("chest x-ray, moderate", "belongs to no one finding"),
        ("chest x-ray, bacterial pneumonia, no pneumonia", "contradicts"),
    ],
)
def test_what_does_not_fit_is_said(text: str, warning: str) -> None:
    assert any(warning in w for w in read_prompt(text).warnings)


def test_what_follows_a_negated_finding_is_not_negated() -> None:
    reading = read_prompt("left pleural effusion without pneumothorax on chest x-ray")
    assert render(reading.prompt) == "chest x-ray, left pleural effusion, no pneumothorax"
    assert not reading.warnings


def test_unknown_words_come_with_suggestions() -> None:
    unknown = read_prompt("chest x-ray, pnuemonia, blorp").unknown
    assert [u.word for u in unknown] == ["pnuemonia", "blorp"]
    assert "pneumonia" in unknown[0].suggestions


@pytest.mark.parametrize("text", ["", "  ", "\n", "x" * 5000])
def test_empty_and_overlong_prompts_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_prompt(text)


@given(st.text(min_size=1, max_size=120))
@settings(max_examples=300)
def test_any_text_is_read_or_refused_as_empty(text: str) -> None:
    try:
        reading = read_prompt(text)
    except InvalidInput:
        assert not text.strip()
        return
    assert read_prompt(render(reading.prompt) or "x").prompt == reading.prompt


words = st.sampled_from(
    [w for w, _ in VOCABULARY.all_forms()]
    + ["no", "without", "and", "or", ",", ".", "in the", "with", "but", "left", "mild", "absent"]
)


@given(st.lists(words, min_size=1, max_size=9))
@settings(max_examples=500)
def test_any_salad_of_known_words_is_read_consistently(salad: list[str]) -> None:
    prompt = read_prompt(" ".join(salad)).prompt
    assert not set(prompt.absent) & set(prompt.concepts)
    assert read_prompt(render(prompt) or "x").prompt == prompt
    complete(prompt)


def test_what_is_missing_is_filled_in_and_said() -> None:
    prompt, notes = complete(read_prompt("left scaphoid fracture").prompt)
    assert (prompt.modality, prompt.body_part) == ("modality:x-ray", "body_part:wrist")
    assert len(notes) == 2
    prompt, notes = complete(read_prompt("pneumothorax on the left").prompt)
    assert prompt.body_part == "body_part:chest"
    assert prompt.findings[0].side == "side:left"
    assert len(notes) == 2
