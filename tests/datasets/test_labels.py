"""Manifest rows and the concepts they train."""

from radsmith.datasets.labels import concepts_of

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
