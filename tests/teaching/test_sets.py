"""Sets: what is asked, what experts decide, and the mark in the pixels."""

import json

import numpy as np
import pytest
from PIL import Image

import radsmith
from radsmith.errors import InvalidInput, NotFound
from radsmith.images.marks import XMP_KEY
from radsmith.images.pictures import read_record
from radsmith.marks.watermark import detect
from radsmith.review.desk import Desk
from radsmith.review.gathering import gather
from radsmith.review.study import Design, NewStudy, create_study
from radsmith.teaching.about import about, weak_of
from radsmith.teaching.items import mask_of
from radsmith.teaching.pictures import REAL, SYNTHETIC, VEILED, learners_picture
from radsmith.teaching.sets import KEY_NAME, PICTURES, accept, list_sets, open_set, set_folder
from tests.review.conftest import ACCEPT, AT, REJECT, say
from tests.teaching.conftest import labelled, new_set, picture_of, silent

pytestmark = pytest.mark.slow


def kinds(opened):
    found = [item.kind for item in opened.items]
    return {kind: found.count(kind) for kind in dict.fromkeys(found)}


def test_labels_become_questions(tmp_path):
    made = new_set(tmp_path / "data")
    assert kinds(made) == {"source": 8, "finding": 12, "side": 6, "where": 6, "order": 1}
    assert (made.synthetic, made.real) == (8, 4)
    for item in made.items:
        assert len(item.needs) <= len(item.pictures)
        if item.kind == "finding":
            assert len(item.choices) == 4
            assert set(item.answer) < set(item.choices)
        if item.kind == "where":
            mask = mask_of(item.region)
            assert mask.any() and mask.mean() < 0.3
    order = next(item for item in made.items if item.kind == "order")
    assert order.told == "From most to least severe: severe, moderate, mild."
    assert list_sets(tmp_path / "data") == [open_set(made.folder)]
    with pytest.raises(InvalidInput, match="already"):
        new_set(tmp_path / "data", images=tmp_path / "data-lungs-images" / "labels.csv")


def test_the_same_seed_asks_the_same(tmp_path):
    images = labelled(tmp_path / "images")
    one, two = (new_set(tmp_path / name, images=images) for name in ("one", "two"))
    asked = [[(i.kind, i.choices, i.region, i.told) for i in s.items] for s in (one, two)]
    assert asked[0] == asked[1]
    assert {i.id for i in one.items}.isdisjoint(i.id for i in two.items)


def test_only_what_experts_accepted_is_asked(tmp_path, ids):
    images = labelled(tmp_path / "images")
    made = new_set(tmp_path / "data", unreviewed=False, images=images)
    assert {item.kind for item in made.open_items} == {"source", "finding"}
    assert all(not item.needs for item in made.open_items)  # the real ones
    closed = next(item for item in made.items if item.needs)
    with pytest.raises(NotFound):
        made.item(closed.id)
    with pytest.raises(NotFound):
        made.png(closed.revealed[0])
    found = [one for one in gather(images) if one.source == "synthetic"]
    asked = NewStudy(
        name="experts", images=found, readers=("ann",), design=Design(controls=0, reads=1, phases=1)
    )
    study = create_study(tmp_path / "study", asked, AT, silent)
    bad = study.synthetic[0]
    say(Desk(study), "ann", {c.id: REJECT if c is bad else ACCEPT for c in study.cases}, ids)
    made, verdicts = accept(made.folder, study.folder)
    assert len(verdicts.images) == 7
    assert made.studies == ("experts",)
    assert made.unread == 0
    for item in made.items:
        assert (item in made.open_items) == (bad.sha256 not in item.needs)
    assert about(made)["closed"] > 0
    assert open_set(made.folder) == made


def test_told_otherwise_it_says_so(tmp_path):
    made = new_set(tmp_path / "data", unreviewed=True)
    assert made.open_items == made.items
    assert about(made)["unread"] == made.unread == 8


def test_the_mark_is_in_the_pixels_of_all_that_is_shown(tmp_path):
    made = new_set(tmp_path / "data")
    corner = np.s_[-16:, :120]
    words = {word: _word(word) for word in (SYNTHETIC, REAL, VEILED)}
    seen = set()
    for item in made.items:
        for tokens, veiled in ((item.pictures, item.kind == "source"), (item.revealed, False)):
            for token in tokens:
                shown = picture_of(made, token)[corner]
                (word,) = (word for word in words if (words[word][corner] == shown).all())
                assert (word == VEILED) == veiled
                if len(tokens) == 1 and not veiled:
                    assert (word == SYNTHETIC) == bool(item.needs)
                seen.add(token)
    assert seen == {path.stem for path in (made.folder / PICTURES).iterdir()}


def _word(word):
    return learners_picture(np.zeros((64, 64)), 64, word=word, synthetic=False)


def test_a_veiled_picture_tells_nothing_and_a_synthetic_one_says_so(tmp_path):
    made = new_set(tmp_path / "data")
    for item in made.items:
        if item.kind != "source":
            continue
        veiled, revealed = (
            Image.open(made.folder / PICTURES / f"{t[0]}.png")
            for t in (item.pictures, item.revealed)
        )
        with veiled, revealed:
            assert not veiled.info and veiled.size == revealed.size == (512, 512)
            assert (XMP_KEY in revealed.info) == bool(item.needs)
        assert item.pictures != item.revealed


def test_the_watermark_is_in_synthetic_pictures_alone():
    noise = np.random.default_rng(0).random((512, 512)) * 0.2 + 0.4
    smooth = (noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1)) / 3
    for synthetic in (True, False):
        found = learners_picture(smooth, 512, word=SYNTHETIC, synthetic=synthetic)
        assert detect(found.astype(np.float32) / 255).present == synthetic


def test_what_was_drawn(drawn):
    assert kinds(drawn) == {"finding": 3, "side": 2, "where": 1, "pair": 1, "order": 1}
    (series,) = drawn.series
    assert series.grades == ("doubtful", "mild", "moderate", "severe")
    assert "the model did not learn how severe “pneumonia” is: no slider, no order" in drawn.notes
    notes = [note for note in drawn.notes if "never learned where they lie" in note]
    assert len(notes) == 1 and "pneumothorax" in notes[0]
    by_rule = next(i for i in drawn.items if i.kind == "side" and not i.region)
    assert by_rule.answer == ("patient's left",), "an opacity is drawn on its side by rule"
    side, where, pair = (
        next(i for i in drawn.items if i.kind == k and i is not by_rule)
        for k in ("side", "where", "pair")
    )
    assert side.answer == ("patient's right",)
    assert side.region == where.region == pair.region
    columns = np.nonzero(mask_of(where.region).any(axis=0))[0]
    assert columns.max() < 70  # the patient's right is at the viewer's left
    told = about(drawn)
    assert [one["name"] for one in told["weak"]] == ["pneumothorax (chest x-ray)"]
    assert "6 of 25" in told["evidence"] and "24 of 25" in told["evidence"]
    assert told["no_trial"].startswith("No trial")
    weak = [item for item in drawn.items if weak_of(drawn, item)]
    assert [item.told for item in weak] == ["chest x-ray, left pneumothorax"]
    for path in (drawn.folder / "images").iterdir():
        assert read_record(path).synthetic


def test_images_that_radsmith_made_need_no_list(drawn, tmp_path):
    made = new_set(tmp_path / "data", images=drawn.folder / "images")
    assert "finding" in kinds(made) and kinds(made)["side"] == 2  # of opacities
    known = {one.name: one.images for one in made.classes}
    kind, finding = ("modality:x-ray", "body_part:chest"), "finding:pneumothorax"
    facts = radsmith.load_model().facts
    assert known["pneumothorax (chest x-ray)"] == facts.count(*kind, finding)


def test_what_is_wrong_is_told(tmp_path, drawn):
    data = tmp_path / "data"
    folder = labelled(tmp_path / "images").parent
    with pytest.raises(InvalidInput, match="nothing says whether"):
        new_set(data, images=folder)
    with pytest.raises(InvalidInput, match="said to be real"):
        new_set(data, images=folder / "labels.csv", real=drawn.folder / "images")
    lists = {
        "file,colour\n000.png,red\n": "unknown columns colour",
        "file,source,side\n000.png,real,top\n": "left or right",
        "file,source,severity\n000.png,real,awful\n": "a severity is a number",
        "file,source,box\n000.png,real,1;2\n": "a box is x,y,width,height",
        "file,source\n000.png,real\n": "nothing can be asked",
    }
    for number, (text, said) in enumerate(lists.items()):
        path = folder / f"wrong-{number}.csv"
        path.write_text(text)
        with pytest.raises(InvalidInput, match=said):
            new_set(data, images=path)
    for name in ("Up", "../x", "", "a b"):
        with pytest.raises(InvalidInput, match="a set is named"):
            set_folder(data, name)
    with pytest.raises(NotFound, match="radsmith teach new"):
        open_set(data / "none")
    assert list_sets(data) == []


def test_a_set_of_another_format_is_refused(tmp_path):
    made = new_set(tmp_path / "data")
    key = json.loads((made.folder / KEY_NAME).read_text())
    (made.folder / KEY_NAME).write_text(json.dumps(key | {"format": 99}))
    with pytest.raises(InvalidInput, match="format 99"):
        open_set(made.folder)
    assert (made.folder / KEY_NAME).stat().st_mode & 0o077 in (0, 0o044)
