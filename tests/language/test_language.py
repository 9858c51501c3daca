"""Text in another language is noticed, in prompts, reports, edits and imports; English never is."""

import csv
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from radsmith.cli import cli
from radsmith.datasets.scan import scan_file
from radsmith.engines.engine import ModelFacts
from radsmith.errors import InvalidInput
from radsmith.generation.plan import plan
from radsmith.language.cues import CONTROL
from radsmith.language.foreign import LIKELY, SURE, foreign_language
from radsmith.language.prompt import Prompt
from radsmith.language.reading import read_prompt
from radsmith.language.report import read_report, report_language
from radsmith.language.vocabulary import default_vocabulary

SENTENCES = sorted((Path(__file__).parent / "data").glob("report_sentences*.csv"))
FACTS = ModelFacts(engine="tiny", name="tiny", digest="0", images=None, together=None)
FOREIGN = {
    "German": (
        "kein Pneumothorax", "Pneumothorax: nein", "Röntgen Thorax ohne Pneumothorax",
        "Pleuraerguss rechts, Herz nicht vergrößert", "Pneumothorax rechts",
    ),
    "French": (
        "pas de pneumothorax", "radiographie du thorax, pneumothorax à gauche",
        "aucun pneumothorax", "pneumonie du poumon droit", "PAS DE PNEUMOTHORAX",
    ),
    "Spanish": (
        "sin pneumothorax", "radiografía de tórax sin neumotórax", "neumonía en el lóbulo inferior",
        "no se observa derrame pleural ni pneumothorax",
    ),
    "Italian": (
        "senza pneumothorax", "non evidenza di pneumothorax", "torace: pneumothorax a destra",
        "nessun versamento",
    ),
    "Portuguese": ("sem pneumothorax", "não há pneumothorax", "derrame pleural à direita"),
    "Dutch": ("geen pneumothorax", "knie links zonder fractuur"),
    "Polish": ("brak pneumothorax", "nie widać płynu po lewej stronie"),
    "Turkish": ("pneumothorax yok", "plevral efüzyon izlenmedi"),
    "Chinese": ("无气胸", "pneumothorax 未见"),
    "Japanese": ("pneumothorax なし", "気胸を認めない"),
    "Korean": ("기흉 없음", "pneumothorax 없음"),
    "a language in Cyrillic letters": ("нет пневмоторакса", "pneumothorax не выявлен"),
    "a language in Arabic letters": ("لا يوجد pneumothorax",),
    "a language in Devanagari letters": ("pneumothorax नहीं है",),
    "Hebrew": ("ללא pneumothorax",),
    "Greek": ("χωρίς pneumothorax",),
}  # fmt: skip
MANY = ("bez pneumothorax", "ingen pneumothorax", "ei pneumothoraxia", "nincs pneumothorax",
        "fără pneumothorax", "tidak ada pneumothorax", "không có pneumothorax",
        "walang pneumothorax", "utan pneumothorax", "nema pneumothoraxa")  # fmt: skip
TEXTS = [(text, name) for name, texts in FOREIGN.items() for text in texts]


@pytest.mark.parametrize(("text", "name"), TEXTS + [(text, "") for text in MANY])
def test_another_language_is_noticed_and_nothing_of_it_is_read(text, name):
    reading = read_prompt(text)
    assert reading.language
    assert reading.language in (name, "another language than English") or not name
    assert reading.prompt == Prompt()
    assert (reading.spans, reading.unknown) == ((), ())  # and so no near misses
    assert len(reading.warnings) == 1 and "only English is read" in reading.warnings[0]
    with pytest.raises(InvalidInput, match="only English is read"):
        plan(text, FACTS)
    report = read_report(f"{text}.", "modality:x-ray", "body_part:chest")
    assert report.language and not report.statements and not report.labels()


def test_words_of_grammar_are_no_words_of_english_radiology():
    ours = {w for w, _ in default_vocabulary().all_forms()}
    ours |= {w for _, words in CONTROL for w in words}
    for lists in (SURE, LIKELY):
        for language, words in lists.items():
            assert not ours & set(words), language


def test_no_name_of_the_vocabulary_is_foreign():
    for words, _ in default_vocabulary().all_forms():
        for text in (words, words.upper(), words.capitalize()):
            assert not foreign_language(text), text


@pytest.mark.parametrize(
    "text",
    [
        "de Quervain tenosynovitis, ultrasound of the wrist",
        "Baastrup disease, Schönlein, Köhler, Ménière",
        "CXR: ETT 4 cm above the carina, NGT in situ",
        "PAs are enlarged; DES in the LAD, BAL pending",
        "os trigonum, coupe de sabre, en bloc, de novo",
        "β-blocker, 5 µm, Ω sign",
        "Dr. van der Berg et al. saw no effusion",
        "IM nail, OG tube, SIN grade, ET tube",
        "Seen by Dr. Sin and Nurse Linke",
    ],
)
def test_names_and_abbreviations_in_english_are_english(text):
    assert foreign_language(text) == ""


def test_english_reports_are_english():
    for path in SENTENCES:
        with path.open(newline="", encoding="utf-8") as file:
            foreign = [
                r["sentence"] for r in csv.DictReader(file) if report_language(r["sentence"])
            ]
        assert not foreign


def test_a_foreign_sentence_among_english_ones_is_left_out_and_said():
    report = read_report("Small effusion. Pas de pneumothorax. No fracture.")
    assert set(report.labels()) == {"finding:effusion", "finding:fracture"}
    assert any("French" in w for w in report.warnings)
    assert report.language == ""


def test_the_command_refuses_in_one_sentence(tmp_path):
    path = tmp_path / "befund.txt"
    path.write_text("Kein Pneumothorax. Herz nicht vergrößert.", encoding="utf-8")
    with pytest.raises(InvalidInput, match="German; only English is read"):
        CliRunner().invoke(cli, ["report", str(path)], catch_exceptions=False)


def test_an_import_takes_no_labels_from_it_and_lists_it(tmp_path):
    path = tmp_path / "1.txt"
    path.write_text("Pas de pneumothorax. Épanchement pleural gauche.", encoding="utf-8")
    found, report = scan_file(path)
    assert "report in French" in found.reason
    assert report.names == (f"beside:{tmp_path / '1'}", "stem:1") and report.text == ""
    path.write_text("No pneumothorax.", encoding="utf-8")
    found, report = scan_file(path)
    assert found.reason == "-" and report.text == "No pneumothorax."


@given(st.text(max_size=200))
def test_any_text_is_judged(text):
    assert isinstance(foreign_language(text), str)
    if text.strip():
        assert isinstance(report_language(text), str)
