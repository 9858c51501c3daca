"""Laws of reading and rendering prompts."""

from itertools import chain

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from radsmith.errors import InvalidInput
from radsmith.language.prompt import (
    NORMAL,
    NOT_ABNORMAL,
    Age,
    Finding,
    Prompt,
    filled_in,
    render,
    settled,
)  # fmt: skip
from radsmith.language.reading import read_prompt
from radsmith.language.vocabulary import default_vocabulary, parse_vocabulary

VOCABULARY = default_vocabulary()


def ids(kind: str) -> list[str]:
    return [c for c in VOCABULARY.concepts if c.startswith(f"{kind}:")]


def maybe(kind: str) -> st.SearchStrategy[str | None]:
    return st.none() | st.sampled_from(ids(kind))


AGES = st.builds(Age.of, st.integers(0, 110), st.sampled_from(("year", "month", "week", "day")))


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
                "age": draw(st.none() | AGES),
                "sex": draw(maybe("sex")),
                "findings": findings,
            }
        )
    except InvalidInput:  # generic findings may become contradictory next to a body part
        assume(False)
        raise


@pytest.mark.slow
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


@pytest.mark.slow
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
        ("brain MRI, left frontal meningioma", "brain MRI, left meningioma in the frontal lobe"),
        ("brain MRI, glioma, viewed from the front", "brain MRI, frontal view, glioma"),
        ("head CT, frontal view, fracture", "head CT, frontal view, fracture"),
        ("chest x-ray, frontal, left lung mass", "chest x-ray, frontal view, left lung mass"),
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
        ("ct of the brain in a 3 month old girl", "head CT, 3-month-old, female"),
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
        ("chest x-ray, RA", "“RA” may mean “right atrium” or “rheumatoid arthritis”"),
        ("RCC", "“RCC” is read as “renal cell carcinoma”"),
        ("MS", "“MS” is read as “multiple sclerosis”: write “mitral stenosis”"),
        ("chest x-ray, 20 weeks", "may be an age or of a pregnancy"),
        ("chest CT, 6 mm nodule, in 3 months", "not drawn: “6 mm”, “3 months”"),
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


@pytest.mark.slow
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
    filled_in(prompt)


def test_what_is_missing_is_filled_in_and_said() -> None:
    prompt, notes = filled_in(read_prompt("left scaphoid fracture").prompt)
    assert (prompt.modality, prompt.body_part) == ("modality:x-ray", "body_part:wrist")
    assert len(notes) == 2
    prompt, notes = filled_in(read_prompt("pneumothorax on the left").prompt)
    assert prompt.body_part == "body_part:chest"
    assert prompt.findings[0].side == "side:left"
    assert len(notes) == 2


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("R knee AP", "right knee x-ray, AP view"),
        ("XR L hip lat", "left hip x-ray, lateral view"),
        ("xr r foot obl", "right foot x-ray, oblique view"),
        ("LMLO", "left breast x-ray, MLO view"),
        ("RMLO and RCC", "right breast x-ray, CC view, MLO view"),
        ("mammogram RCC", "right breast x-ray, CC view"),
        ("LCC mammogram, dense breasts", "left breast x-ray, CC view, dense breast tissue"),
        ("CT abdomen, RCC", "abdomen CT, renal cell carcinoma"),
        ("CXR, RLL PNA", "chest x-ray, right pneumonia in the lower lobe"),
        ("CXR: LUL and RUL mass", "chest x-ray, bilateral lung mass in the upper lobe"),
        ("CXR, RML atelectasis", "chest x-ray, right atelectasis in the middle lobe"),
        ("CXR effusions b/l", "chest x-ray, bilateral pleural effusion"),
        ("hand x-ray, RA", "hand x-ray, rheumatoid arthritis"),
        ("echo, MS", "heart ultrasound, valvular heart disease"),
        ("MRI brain, MS", "brain MRI, multiple sclerosis"),
        ("noncon CT abd/pelvis", "abdomen CT, non-contrast"),
        ("CT A/P w/ contrast", "abdomen CT, contrast-enhanced"),
        ("USG abd, RUQ abscess", "abdomen ultrasound, right abscess in the upper quadrant"),
        ("45 yo M, XR L knee AP/lat", "left knee x-ray, AP view, lateral view, 45-year-old, male"),
        ("67F CXR", "chest x-ray, 67-year-old, female"),
        ("6-month-old, chest x-ray", "chest x-ray, 6-month-old"),
        ("CXR of an 18 month old boy", "chest x-ray, 18-month-old, male"),
        ("CXR, six-week-old", "chest x-ray, 6-week-old"),
        ("CXR, 2.5 years old", "chest x-ray, 30-month-old"),
        ("CXR, aged 40 months", "chest x-ray, 3-year-old"),
        ("CXR, age: 70", "chest x-ray, 70-year-old"),
        ("28-weeker, CXR", "chest x-ray, newborn"),
        ("fetal ultrasound, 20 weeks", "fetus ultrasound, second trimester"),
        ("obstetric scan at 34 weeks' gestation", "fetus ultrasound, third trimester"),
        ("fetus, 12w3d, ultrasound", "fetus ultrasound, first trimester"),
        ("fetus ultrasound, 20+3 weeks", "fetus ultrasound, second trimester"),
        ("CXR, pneumonia, follow-up in 6 weeks", "chest x-ray, pneumonia"),
        ("CXR 3 months after pneumonia", "chest x-ray, pneumonia"),
        ("chest CT, 6 mm nodule", "chest CT, lung nodule"),
    ],
)  # fmt: skip
def test_abbreviations_and_ages_of_every_day(text: str, canonical: str) -> None:
    reading = read_prompt(text)
    prompt, _ = filled_in(reading.prompt)
    assert render(prompt) == canonical
    assert not reading.unknown


def test_a_newborn_is_younger_than_four_weeks() -> None:
    groups = {
        words: read_prompt(f"CXR, {words} old").prompt.age_group
        for words in ("3 days", "27 days", "3 weeks", "5 weeks", "23 months", "2 years")
    }
    assert [g and g.partition(":")[2] for g in groups.values()] == [
        "newborn", "newborn", "newborn", "infant", "infant", "child",
    ]  # fmt: skip


def test_an_abbreviation_nobody_can_tell_is_no_near_miss() -> None:
    (unknown,) = read_prompt("chest x-ray, RA").unknown
    assert (unknown.word, unknown.suggestions) == ("RA", ())
    assert read_prompt("chest x-ray, RA").prompt.findings == ()


def test_a_broken_table_of_abbreviations_is_refused() -> None:
    table = '[[abbreviation]]\nform = "XX"\nsenses = [{ words = "x", near = ["side:left"] }]\n'
    known = default_vocabulary()
    for broken in (table, table.replace("side:left", "side:nowhere").replace("near", "means")):
        with pytest.raises(InvalidInput):
            parse_vocabulary(broken, known)
