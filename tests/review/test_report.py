"""Figures of a study, its report, and simulated readers of known quality."""

import csv
import io
import json

import pytest

from radsmith.errors import InvalidInput
from radsmith.review.accepted import accepted
from radsmith.review.report_page import report_html, write_report
from radsmith.review.simulated import SimulatedReader, simulate
from radsmith.review.study import NewStudy, create_study, open_study
from radsmith.review.summary import summary
from tests.review.conftest import ACCEPT, AT, REJECT, say

GUESS = {"guess": "synthetic", "confidence": 2}


def test_a_study_known_in_advance(make, ids, tmp_path):
    """Ann accepts all but planted ones, Bob rejects every fourth too; both say "synthetic"."""
    desk = make(images=16, controls=8, planted=4, phases=2, repeats=0.2)
    study = desk.study
    bad = {case.id for case in study.cases if case.kind == "planted"}
    more = bad | {case.id for case in study.synthetic[::4]}
    first = [c.id for c in study.cases]
    for reader, rejected in (("ann", bad), ("bob", more)):
        verdicts = {i: REJECT if i in rejected else ACCEPT for i in first}
        while desk.progress(reader).phase == 1:
            read = desk.coming(reader, 1)[0]
            desk.answer(reader, read.id, verdicts[read.case], request=ids(), seconds=5)
        say(desk, reader, GUESS, ids)
    found = summary(study, desk.state, desk.head, "all")
    json.dumps(found, allow_nan=False)
    assert found["cases"] == {"synthetic": 16, "control": 5, "planted": 4}
    assert found["outcomes"]["all"] == {"accept": 12, "reject": 4, "undecided": 0}
    assert found["outcomes"]["majority"] == {"accept": 12, "reject": 0, "undecided": 4}
    assert found["outcomes"]["to_settle"] == {"cases": 4, "settled": 0}
    # 25 cases, the two differ on 4: observed 21/25, by chance (4*8 + 21*17)/625
    by_chance = (4 * 8 + 21 * 17) / 625
    kappa = (21 / 25 - by_chance) / (1 - by_chance)
    verdict = found["agreement"]["verdict"]["all"]
    assert verdict["cohen_kappa"]["value"] == pytest.approx(kappa)
    assert verdict["cases"] == 25
    same = found["same_reader"]["verdict"]["all"]["same"]
    assert (same["count"], same["of"]) == (10, 10)
    realism = found["realism"]
    assert realism["accuracy"]["count"] == 40
    assert realism["real_called_real"] | {"interval": 0} == {
        "count": 0, "of": 10, "value": 0.0, "interval": 0,
    }  # fmt: skip
    assert realism["by_reader"]["ann"]["of"] == 25
    assert realism["kappa_with_truth"]["value"] == pytest.approx(0)
    assert found["scores"]["control"]["accepted"]["value"] == 1
    acceptance = found["acceptance"]
    assert (acceptance["read_at_random"], acceptance["not_accepted"]) == (16, 4)
    assert acceptance["rest_upper_bound"] == 0
    assert acceptance["upper_bound"] == 0.25
    assert acceptance["upper_bound_with_sensitivity"] > 0.25
    assert acceptance["planted"]["found"] == 4
    paths = write_report(tmp_path / "report", found, study, desk.state)
    page, text, ratings = (path.read_text() for path in paths)
    assert json.loads(text) == found
    rows = list(csv.DictReader(io.StringIO(ratings)))
    assert len(rows) == len(desk.state.answers) == 120
    assert "Near 0 for realism can be good news" in page
    assert "cannot tell made from real" in page


def test_a_study_without_any_answer_has_a_report(make):
    desk = make(controls=2)
    found = summary(desk.study, desk.state, desk.head)
    assert "upper_bound" not in found["acceptance"]
    assert "undefined" not in report_html(found)


def test_bounds_of_a_sample_speak_of_its_lot(make, ids):
    desk = make(images=12, sample=6, readers=("ann",), reads=1)
    say(desk, "ann", ACCEPT, ids)
    acceptance = summary(desk.study, desk.state, desk.head)["acceptance"]
    assert (acceptance["lot"], acceptance["read_at_random"]) == (12, 6)
    assert 0 < acceptance["upper_bound"] < 1
    assert acceptance["rest_upper_bound"] == pytest.approx(2 * acceptance["upper_bound"])


def test_half_read_cases_are_no_defects(make, ids):
    desk = make(images=6)
    say(desk, "ann", ACCEPT, ids)
    acceptance = summary(desk.study, desk.state, desk.head)["acceptance"]
    assert (acceptance["read_at_random"], acceptance["not_accepted"]) == (0, 0)


def test_simulated_readers_are_as_good_as_they_say_and_named_so(make):
    names = ("simulated-a", "simulated-b")
    desk = make(images=80, readers=names)
    study = desk.study
    with pytest.raises(InvalidInput, match="does not name"):
        simulate(desk, SimulatedReader(name="simulated-a"), {})
    folder = study.folder.with_name("named")
    images = [*_found(study)]
    asked = NewStudy(
        name="named", images=images, readers=names, design=study.design, simulated=names
    )
    desk = type(desk)(create_study(folder, asked, AT, lambda done, total: None))
    bad = {case.id: i % 2 == 0 for i, case in enumerate(desk.study.cases)}
    for name, sensitivity in (("simulated-a", 0.9), ("simulated-b", 0.6)):
        reader = SimulatedReader(name=name, sensitivity=sensitivity, false_alarms=0.1)
        assert simulate(desk, reader, bad) == 80
        rejected = [
            a.answer["verdict"] != "accept"
            for a in desk.state.answers.values()
            if a.read.reader == name and bad[a.read.case]
        ]
        assert sum(rejected) / 40 == pytest.approx(sensitivity, abs=0.15)
    found = summary(desk.study, desk.state, desk.head)
    assert "SIMULATED" in report_html(found)
    assert "no experts" in report_html(found)
    assert accepted(folder).simulated == names
    with pytest.raises(InvalidInput, match="is named simulated-"):
        SimulatedReader(name="Dr. House")
    assert open_study(folder).simulated == names


def _found(study):
    from radsmith.review.gathering import gather

    return gather(study.folder.with_name(f"{study.folder.name}-images"))


def test_formulas_in_notes_stay_text(make, ids, tmp_path):
    desk = make(images=1, readers=("ann",), reads=1)
    say(desk, "ann", {**ACCEPT, "note": "=HYPERLINK(1)"}, ids)
    found = summary(desk.study, desk.state, desk.head)
    path = write_report(tmp_path, found, desk.study, desk.state)[2]
    assert "'=HYPERLINK" in path.read_text()
