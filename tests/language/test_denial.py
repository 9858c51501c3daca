"""Laws of denial: however a finding is denied, it is never there; what is affirmed stays."""

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from radsmith.language.cues import CONTROL
from radsmith.language.own_words import meant as meant_by
from radsmith.language.own_words import new_words
from radsmith.language.prompt import NOT_ABNORMAL, render
from radsmith.language.reading import read_prompt
from radsmith.language.report import read_report
from radsmith.language.vocabulary import default_vocabulary, fold
from radsmith.language.words import items_of

VOCABULARY = default_vocabulary()
FINDINGS = [c for c in VOCABULARY.concepts if c.startswith("finding:") and c not in NOT_ABNORMAL]
# X is the finding; lesion, nodule and mass effect are others, denied with it
BEFORE = """
no X|without X|without any X|without evidence of X|no evidence of X|no signs of X|no sign of any X
no radiographic evidence of X|no convincing features to suggest X|no suggestion of X|no trace of X
nothing to suggest X|negative for X|neg for X|-ve for X|free of X|free from X|clear of X
devoid of X|absence of X|absent X|lack of X|lacks X|lacking X|resolved X|complete resolution of X
not X|not a X|never X|nil X|zero X|0 X|minus X|sans X|w/o X|w/out X|no e/o X|ø X|(-) X|!X|[ ] X
☐ X|✗ X|❌ X|denies X|excludes X|excluding X|ruling out X|omit X|leave out X|avoid X|do not draw X
don't show any X|doesn't show X|there is no X|there isn't any X|there are no X|has no X
having no X|with no X|but no X|shows no X|not showing X|fails to show X|failed to demonstrate X
cannot see X|can't see any X|unable to identify X|not even X|hardly any X|anything but X
everything but X|instead of X|rather than X|no longer any X|no more X|no finding of X
no findings suspicious for X|no abnormality such as X|no left X|no right-sided X|no large X
no acute X|no new X|no significant X|no residual or recurrent X|non-X|interval removal of X
no history of X|neither X nor mass effect|neither mass effect nor X|no mass effect or X
no mass effect nor X|no mass effect, nodule or X|no mass effect, X or nodule
no X, mass effect or nodule|no mass effect, nodule, or X|no mass effect and X|no mass effect/X
no mass effect, nodule and X|none of the following: nodule, X, mass effect|absent: nodule, X
not seen: nodule, X|pertinent negatives: nodule, X|negative findings: X, nodule|no: X
"""
AFTER = """
X: no|X: none|X: nil|X: absent|X: negative|X: neg|X: not seen|X: not present|X: no evidence
X: false|X: none seen|X: 0|X: -|X: N|X :no|X = no|X=0|X - no|X - none|X – absent|X — none|X—none
X -- not seen|X-none|X (-)|X (–)|X (0)|X -|X -ve|X neg|X 0|X (no)|X (none)|X (absent)|X (resolved)
X [not seen]|X no|X none|X nil|X absent|X is absent|X are absent|X was absent|X not present
X not seen|X isn't seen|X is not seen|X are not seen|X isn't present|X not there|X not visible
X not visualised|X unseen|X has not been identified|X could not be identified|X cannot be seen
X can't be seen|X not evident|X is not apparent|X not appreciated|X not detected|X not found
X not shown|X not noted|X not suspected|X is not depicted|X was not clearly seen|X no longer seen
X is no longer present|X no longer visible|X ruled out|X is ruled out|X has been ruled out
X excluded|X is excluded|X has been excluded|X unlikely|X resolved|X has resolved
X has since resolved|X has completely resolved|X has cleared|X gone|X is gone|X has disappeared
X removed|X has been removed|X free|X-free|X missing|X is nowhere to be seen|X, none|X, absent
X, not seen|X, now resolved|X, which has resolved|X, which is no longer seen|X; none|X. None.
X? No.|X? none|X ... none|X ❌|nodule and X absent|nodule or X: none
nodule, mass effect and X are absent|nodule, X, mass effect: none|nodule and X are not seen
neither nodule nor X is seen|X not on the left|X is not a feature|X does not exist
X not to be drawn|the X is not there any more|the X seen previously has resolved
X must not be visible|previous X, now gone
"""
DENIALS = [t for t in (BEFORE + AFTER).replace("\n", "|").split("|") if t] + ["X | none", "X\tno"]
AFFIRMATIONS = [
    t
    for t in """
X|there is X|X is seen|X: yes|X: present|X: positive|X: 1|X (+)|+X|X+|X present|X +ve
no lesion but X|no lesion. X.|lesion absent, X present|lesion: no, X: yes|lesion: no X: yes
lesion: none; X: present|lesion -, X +|lesion (-) X (+)|-lesion +X|lesion 0, X 1|lesion=0; X=1
[ ] lesion [x] X|☐ lesion ☑ X|X without lesion|X, no lesion|X; lesion none|X and no lesion
lesion has resolved, X remains|lesion is not seen and X is seen|lesion ruled out. X|lesion-free, X
(no lesion) X|X (no lesion)|X unchanged|no change in X|no significant interval change in the X
X has not resolved|not without X|no increase in X|X not displaced|X is not enlarged
X without change|normal except X|no contrast, X|no abnormality other than X|without contrast, X
X 6 mm|X not severe|X is not excluded|cannot exclude X
""".replace("\n", "|").split("|")
    if t
]
FRAMES = ("{}", "chest x-ray, {}", "{}, chest x-ray", "CT of the abdomen. {}", "knee x-ray: {}",
          "brain MRI, adult, {}, axial", "{}; pelvis ultrasound")  # fmt: skip


@st.composite
def named(draw):
    """A finding and one of its names."""
    concept = draw(st.sampled_from(FINDINGS))
    entry = VOCABULARY[concept]
    names = [n for n in (entry.name, *entry.forms) if fold(n) not in VOCABULARY.abbreviations]
    return concept, draw(st.sampled_from(names))


def meant(concept, context):
    """The finding, and what its words mean next to the body part."""
    return {concept, VOCABULARY.resolve(concept, context)}


def report_of(text):
    end = "" if text.endswith(".") else "."
    return read_report(f"Impression:\n{text}{end}", "modality:x-ray", "body_part:chest")


@given(st.sampled_from(DENIALS), named(), st.sampled_from(FRAMES))
@settings(max_examples=800)
def test_however_it_is_denied_it_is_never_drawn(template, finding, frame):
    concept, words = finding
    text = frame.format(template.replace("X", words))
    prompt = read_prompt(text).prompt
    context = [c for c in (prompt.body_part, prompt.modality) if c]
    assert not meant(concept, context) & set(prompt.concepts), text
    assert read_prompt(render(prompt) or "x").prompt == prompt


@given(st.sampled_from(DENIALS), named())
@settings(max_examples=800)
def test_however_it_is_denied_no_report_says_it_is_there(template, finding):
    concept, words = finding
    assume(not (template == "-X" and (words[0].isupper() or " is " in words)))  # a bullet
    text = template.replace("X", words)
    labels = report_of(text[0].upper() + text[1:]).labels()
    for found in meant(concept, ["body_part:chest", "modality:x-ray"]):
        assert labels.get(found) != 1, text


@given(st.sampled_from(AFFIRMATIONS), named(), st.sampled_from(FRAMES[:-1]))
@settings(max_examples=500)
def test_what_is_affirmed_beside_a_denial_stays(template, finding, frame):
    concept, words = finding
    assume("finding:lesion" not in VOCABULARY.implied([concept]) and "enlarge" not in words)
    text = template.replace("X", words)
    prompt = read_prompt(frame.format(text)).prompt
    context = [c for c in (prompt.body_part, prompt.modality) if c]
    assert meant(concept, context) & {f.concept for f in prompt.findings if f.present}, text
    labels = report_of(text[0].upper() + text[1:]).labels()
    wanted = meant(concept, ["body_part:chest", "modality:x-ray"])
    assert any(labels.get(c) == 1 or math.isnan(labels.get(c, 0)) for c in wanted), text


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("X not on the right but on the left", "left"),
        ("X on the left, not on the right", "left"),
        ("X on the left but not on the right", "left"),
        ("right but not left X", "right"),
        ("left, not right, X", "left"),
        ("X on the right, left none", "right"),
        ("X: none on the right, small on the left", "left"),
        ("no X on the right, small on the left", "left"),
        ("no right X, large left X", "left"),
        ("bilateral X, not on the right", "left"),
    ],
)
def test_a_side_that_is_denied_is_not_drawn(text, side):
    prompt = read_prompt(f"chest x-ray, {text.replace('X', 'pleural effusion')}").prompt
    assert [(f.present, f.side) for f in prompt.findings] == [(True, f"side:{side}")]


@pytest.mark.parametrize("text", ["effusion not on the right", "effusion absent on the right"])
def test_a_finding_denied_on_one_side_is_absent_there(text):
    (finding,) = read_prompt(f"chest x-ray, {text}").prompt.findings
    assert (finding.present, finding.side) == (False, "side:right")


def test_the_side_of_a_paired_part_is_that_of_what_is_there():
    text = "knee x-ray, no fracture in the right knee, fracture in the left knee"
    assert render(read_prompt(text).prompt) == "left knee x-ray, fracture"
    assert render(read_prompt("x-ray of the right knee, not the left").prompt) == "right knee x-ray"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("chest x-ray, not lateral but PA", "chest x-ray, PA view"),
        ("chest x-ray, not portable", "chest x-ray"),
        ("not CT but MRI of the brain", "brain MRI"),
        ("CT chest, contrast: none", "chest CT, non-contrast"),
        ("chest x-ray, pneumonia, not severe", "chest x-ray, pneumonia"),
        ("not normal chest x-ray", "chest x-ray"),
        ("chest x-ray (no effusion) pneumonia", "chest x-ray, pneumonia, no pleural effusion"),
        ("chest x-ray, history of pneumonia", "chest x-ray"),
        ("chest x-ray, rule out pneumonia", "chest x-ray"),
        ("chest x-ray. No effusion, pneumothorax, consolidation.",
         "chest x-ray, no consolidation, no pleural effusion, no pneumothorax"),
        ("smear-negative tuberculosis, chest x-ray", "chest x-ray, tuberculosis"),
    ],
)  # fmt: skip
def test_what_else_is_denied_asked_or_past_is_left_out(text, canonical):
    assert render(read_prompt(text).prompt) == canonical


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("chest x-ray, no effusion, pneumothorax, consolidation", "pneumothorax, consolidation"),
        ("chest x-ray, no effusion and large pneumothorax", "read as denied"),
        ("chest x-ray, not portable", "“portable” is denied"),
        ("chest x-ray, not normal", "“normal” is denied"),
        ("chest x-ray, history of pneumonia", "is history"),
        ("chest x-ray, r/o pneumonia", "is asked about"),
        ("chest x-ray, pneumonia, not severe", "“severe” is denied"),
    ],
)
def test_what_could_be_meant_otherwise_is_said(text, warning):
    assert any(warning in w for w in read_prompt(text).warnings)


def test_a_table_and_a_list_without_bullets_are_read_line_by_line():
    text = "No pneumothorax\nCardiomegaly\nEffusion: small\nConsolidation - nil\nPTX | none"
    assert report_of(text).labels() == {
        "finding:pneumothorax": 0,
        "finding:cardiomegaly": 1,
        "finding:pleural-effusion": 1,
        "finding:consolidation": 0,
    }
    assert report_of("-Mild cardiomegaly\n-No effusion").labels() == {
        "finding:cardiomegaly": 1,
        "finding:pleural-effusion": 0,
    }


def test_a_denied_finding_is_no_word_of_ones_own():
    assert meant_by("finding", "no pneumothorax") == ()
    assert meant_by("finding", "pneumothorax (-)") == ()
    assert meant_by("finding", "pneumothorax") == ("finding:pneumothorax",)
    assert meant_by("finding", "no acute disease") == ("finding:normal",)
    assert meant_by("finding", "ceramic crown") == ("finding:ceramic-crown",)
    rows = [{"modality": "x-ray", "findings": "no pneumothorax; blorp"}]
    assert "no-pneumothorax" not in new_words(rows) and "[finding.blorp]" in new_words(rows)


KNOWN = [w for w, _ in VOCABULARY.all_forms()] + [w for _, words in CONTROL for w in words]
LETTERS = st.text("abcdefghijklmnopqrstuvwxyzéüñøłśğ", min_size=3, max_size=12)


@pytest.mark.slow
@given(LETTERS, st.lists(st.sampled_from(KNOWN), max_size=3), st.integers(0, 3), st.booleans())
@settings(max_examples=500)
def test_whatever_is_not_understood_is_reported(word, beside, place, report):
    alone = items_of(word, VOCABULARY)
    assume([i.kind for i in alone] == ["unknown"])
    text = ", ".join([*beside[:place], word, *beside[place:]])
    if report:
        read = read_report(f"FINDINGS: {text}")
        assert read.language or word in read.unknown or read.warnings, text
    else:
        reading = read_prompt(text)
        assert reading.language or word in {u.word for u in reading.unknown}, text


@pytest.mark.parametrize("symbol", ["☠", "🫁", "©"])
def test_pictures_are_no_words(symbol):
    assert [u.word for u in read_prompt(f"chest x-ray {symbol}").unknown] == [symbol]


@pytest.mark.parametrize(
    ("text", "there", "not_there"),
    [
        ("Cirrhotic liver is not enlarged", "finding:cirrhosis", "finding:hepatomegaly"),
        (
            "Fatty change of the liver is not enlarged",
            "finding:fatty-liver",
            "finding:hepatomegaly",
        ),
        ("The cirrhotic liver is enlarged", "finding:hepatomegaly", None),
        ("Cirrhotic liver without change", "finding:cirrhosis", None),
        ("The heart is not enlarged", None, "finding:cardiomegaly"),
    ],
)
def test_a_name_is_not_taken_apart_by_what_is_said_of_the_organ_in_it(text, there, not_there):
    labels = report_of(text).labels()
    assert there is None or labels[there] == 1
    assert not_there is None or labels[not_there] == 0
