"""Manifest rows and the concepts they train."""

import csv
import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from radsmith.datasets import labels
from radsmith.datasets.corpus import load_corpus
from radsmith.datasets.labels import concepts_of
from radsmith.errors import InvalidInput
from radsmith.language.vocabulary import default_vocabulary

ROW = dict.fromkeys(
    ("modality", "body_part", "view", "technique", "findings", "age_group", "sex", "laterality"), ""
)


def test_a_row_gives_its_concepts_and_their_parents():
    row = ROW | {"modality": "x-ray", "body_part": "chest", "view": "AP", "sex": "F"}
    row |= {"findings": "bacterial pneumonia; effusion", "age_group": "child"}
    assert set(concepts_of(row)) == {
        "modality:x-ray",
        "body_part:chest",
        "view:ap",
        "finding:bacterial-pneumonia",
        "finding:pneumonia",
        "finding:pleural-effusion",
        "age_group:child",
        "sex:female",
    }


def test_contrast_of_ct_and_of_mri_are_different_concepts():
    row = ROW | {"modality": "ct", "body_part": "liver", "technique": "contrast CT"}
    assert "technique:contrast-enhanced" in concepts_of(row)
    row = ROW | {"modality": "mri", "body_part": "brain", "technique": "T1 post-contrast"}
    assert {"technique:post-contrast", "technique:t1-weighted"} <= set(concepts_of(row))
    row = ROW | {"modality": "ct", "body_part": "head", "technique": "brain window, non-contrast"}
    assert "technique:contrast-enhanced" not in concepts_of(row)


def findings(body_part, words, modality="ct"):
    row = ROW | {"modality": modality, "body_part": body_part, "findings": words}
    return {c for c in concepts_of(row) if c.startswith(("finding:", "side:", "severity:"))}


@pytest.mark.parametrize(
    ("modality", "body_part", "words", "read"),
    [
        ("x-ray", "foot", "pes planus", {"pes-planus"}),
        ("ct", "kidney", "renal tumour", {"renal-mass"}),
        ("ct", "abdomen", "kidney stone; renal cyst", {"kidney-stone", "renal-cyst"}),
        ("ct", "chest", "benign lung nodule", {"benign-lung-nodule", "lung-nodule"}),
        ("ultrasound", "breast", "invasive carcinoma of no special type",
         {"invasive-ductal-carcinoma", "breast-cancer"}),
        ("ultrasound", "breast", "calcifications", {"breast-calcification"}),
        ("ultrasound", "breast", "simple cyst", {"breast-cyst"}),
        ("mri", "prostate", "prostate cancer", {"prostate-cancer"}),
        ("mri", "brain", "brain infarcts", {"ischemic-stroke"}),
        ("x-ray", "chest", "hiatal hernia", {"hiatal-hernia"}),
        ("x-ray", "chest", "COVID-19; ecg leads or monitor cables;tracheostomy tube",
         {"covid-19-pneumonia", "pneumonia", "ecg-electrodes", "tracheostomy"}),
    ],
)  # fmt: skip
def test_words_outside_the_table_are_read_next_to_their_body_part(modality, body_part, words, read):
    assert findings(body_part, words, modality) == {f"finding:{r}" for r in read}


def test_a_phrase_with_an_unknown_word_is_left_out_whole():
    assert findings("abdomen", "blorped renal cyst") == set()
    assert findings("liver", "liver tumor set (per-slice unlabelled)") == set()
    assert findings("abdomen", "no renal cyst") == set()


def test_the_side_of_a_finding_is_read_and_the_rows_own_goes_before():
    assert findings("abdomen", "left renal cyst") == {"finding:renal-cyst", "side:left"}
    assert "side:bilateral" in findings("abdomen", "left renal cyst; right renal mass")
    row = ROW | {"modality": "x-ray", "body_part": "foot", "laterality": "right"}
    assert "side:right" in concepts_of(row | {"findings": "left pes planus"})
    assert "side:left" in concepts_of(ROW | {"modality": "x-ray", "laterality": "left-convex"})


@pytest.mark.parametrize(
    ("group", "years", "read"),
    [
        ("adult", "71", {"older-adult", "adult"}),
        ("", "14", {"adolescent", "child"}),
        ("adult", "16", {"adult"}),
        ("child", "", {"child"}),
        ("", "14M", set()),
        ("", "500", set()),
    ],
)
def test_age_narrows_the_group_where_the_two_agree(group, years, read):
    row = ROW | {"modality": "x-ray", "age_group": group, "age": years}
    assert {c for c in concepts_of(row) if "age" in c} == {f"age_group:{r}" for r in read}


@pytest.mark.parametrize(
    ("modality", "technique", "has", "lacks"),
    [
        ("mri", "3D balanced steady-state free precession MR angiography", "mr-angiography",
         "ct-angiography"),
        ("mri", "dynamic contrast-enhanced T1, fat-suppressed", "dynamic-contrast-enhanced",
         "contrast-enhanced"),
        ("ct", "contrast-enhanced, arterial phase, narrow soft tissue window", "contrast-enhanced",
         "post-contrast"),
        ("x-ray", "digital mammography, low-energy image of a contrast-enhanced examination",
         "digital-mammography", "contrast-enhanced"),
    ],
)  # fmt: skip
def test_techniques_of_like_words_are_kept_apart(modality, technique, has, lacks):
    ids = concepts_of(ROW | {"modality": modality, "technique": technique})
    assert f"technique:{has}" in ids
    assert f"technique:{lacks}" not in ids


def test_every_id_of_the_tables_is_of_the_vocabulary():
    named = {c for ids in (*labels.FIND.values(), *labels.VIEW.values()) for c in ids}
    named |= {c for _, c in labels.TECH}
    assert named <= set(default_vocabulary().concepts)


def test_devices_beside_the_manifest_are_findings_of_their_rows(tmp_path):
    pixels = np.full((8, 8), 90, np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    with tarfile.open(tmp_path / "train-000.tar", "w") as tar:
        for key in ("a", "b"):
            info = tarfile.TarInfo(f"{key}.png")
            info.size = len(stream.getvalue())
            tar.addfile(info, io.BytesIO(stream.getvalue()))
    rows = [
        ROW | {"key": key, "shard": "train-000.tar", "modality": "x-ray", "body_part": "chest"}
        | {"patient_id": "p", "source": "s", "findings": "COVID-19"}
        for key in ("a", "b")
    ]  # fmt: skip
    with (tmp_path / "train.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    (tmp_path / "devices.csv").write_text("key,devices\nb,pacemaker or icd;chest tube\n")
    without, with_them = load_corpus([tmp_path], tmp_path / "cache", concepts_of).concepts
    assert set(with_them) - set(without) == {"finding:pacemaker", "finding:chest-tube"}
    (tmp_path / "devices.csv").write_text("name\nb\n")
    with pytest.raises(InvalidInput, match="column 'key' is needed"):
        load_corpus([tmp_path], tmp_path / "cache", concepts_of)
