"""A study: who sees what, blinded; the log; what is accepted."""

import hashlib
import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from radsmith.errors import InvalidInput, NotFound
from radsmith.review.accepted import accepted
from radsmith.review.design import GAP, Case, Design, planned_reads
from radsmith.review.desk import Desk
from radsmith.review.gathering import gather
from radsmith.review.log import Log, read_log
from radsmith.review.rubric import default_rubric, read_rubric
from radsmith.review.study import NewStudy, create_study, open_study, read_study

from .conftest import ACCEPT, AT, REJECT, UNSURE, pictures, say


def cases_of(count):
    return [Case(id=f"c{i}", kind="synthetic", file=f"{i}.png", sha256="0") for i in range(count)]


@given(
    st.integers(1, 60),
    st.integers(1, 5),
    st.integers(1, 3),
    st.sampled_from([0, 0.1, 0.3]),
    st.integers(0, 99),
)
def test_every_case_is_read_as_often_as_planned(count, people, reads, repeats, seed):
    readers = [f"r{i}" for i in range(people)]
    design = Design(seed=seed, reads=min(reads, people), repeats=repeats)
    plan = planned_reads(cases_of(count), readers, design, "salt")
    for phase in (1, 2):
        first = Counter(
            (r.case, r.reader)
            for rs in plan.values()
            for r in rs
            if r.phase == phase and not r.repeat
        )
        assert set(first.values()) <= {1}
        assert set(Counter(case for case, _ in first).values()) == {design.reads}
    sizes = [sum(not r.repeat for r in rs) for rs in plan.values()]
    assert max(sizes) - min(sizes) <= 2 * design.reads
    ids = [r.id for rs in plan.values() for r in rs]
    assert len(set(ids)) == len(ids)
    assert plan == planned_reads(cases_of(count), readers, design, "salt")


def test_repeats_come_late_and_phases_in_order():
    plan = planned_reads(cases_of(60), ["ann"], Design(reads=1), "salt")["ann"]
    assert [r.phase for r in plan] == [1] * 66 + [2] * 66
    for phase in (1, 2):
        of_phase = [r for r in plan if r.phase == phase]
        assert [r.case for r in of_phase] != [f"c{i}" for i in range(60)]
        for place, read in enumerate(of_phase):
            if read.repeat:
                first = next(i for i, r in enumerate(of_phase) if r.case == read.case)
                assert place - first > GAP or place >= len(of_phase) - 6
    other = planned_reads(cases_of(60), ["ann"], Design(reads=1, seed=1), "salt")["ann"]
    assert [r.case for r in other] != [r.case for r in plan]


def test_nothing_but_the_picture_tells_a_control_from_a_case(make):
    """Names, sizes, bytes, depth, metadata, times: a classifier of all of them learns nothing."""
    desk = make(images=20, controls=10, readers=("ann",), reads=1, repeats=0.2)
    study, told = desk.study, {}
    for read in study.plan["ann"]:
        case = study.by_id[read.case]
        path = study.folder / "pictures" / f"{case.id}.png"
        with Image.open(path) as picture:
            facts = (picture.mode, picture.size, tuple(picture.info), path.stat().st_mtime)
        facts += (len(read.id), len(case.id), len(study.levels(case.id)), path.stat().st_mode)
        told.setdefault(case.kind, set()).add(facts)
        assert not {case.id, read.id} & {
            hashlib.sha256(str(i).encode()).hexdigest()[:16] for i in range(99)
        }
    assert told["synthetic"] == told["control"]
    assert len(told["control"]) == 1
    places = [i for i, c in enumerate(study.cases) if c.kind == "control"]
    assert places != list(range(min(places), max(places) + 1))
    # sharpness: what was 300 pixels high is no sharper than what was 96
    assert study.native == 96
    for case in study.cases:
        levels = np.frombuffer(study.levels(case.id), np.uint8).reshape(512, 512).astype(float)
        fine = np.abs(np.fft.rfft2(levels)) ** 2
        assert fine[130:380, 130:].sum() / fine[1:, 1:].sum() < 0.01, case.kind


def test_the_log_tells_of_any_change(make, ids):
    desk = make()
    say(desk, "ann", ACCEPT, ids)
    path = desk.study.folder / "review-log.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    events, head = read_log(desk.study.folder)
    assert [e["event"] for e in events] == ["study"] + ["answer"] * 8
    assert head == desk.head == json.loads(lines[-1])["hash"]
    changes = {
        "changed": [*lines[:3], lines[3].replace(b"accept", b"reject"), *lines[4:]],
        "taken out": lines[:3] + lines[4:],
        "swapped": [*lines[:3], lines[4], lines[3], *lines[5:]],
        "doubled": [*lines[:4], lines[3], *lines[4:]],
    }
    for name, changed in changes.items():
        path.write_bytes(b"".join(changed))
        with pytest.raises(InvalidInput, match=r"line [45]"):
            read_log(desk.study.folder)
        with pytest.raises(InvalidInput):
            accepted(desk.study.folder)
        assert name
    path.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(InvalidInput, match="shorter"):
        desk.refresh()


def test_half_a_line_was_never_acknowledged(make, ids):
    desk = make()
    say(desk, "ann", ACCEPT, ids)
    path = desk.study.folder / "review-log.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"event":"answer","id":"requ')
    again = Desk(open_study(desk.study.folder))
    assert len(again.state.answers) == 8
    say(again, "bob", ACCEPT, ids)
    assert len(read_study(desk.study.folder)[1].answers) == 16


def test_two_processes_share_a_log(make, ids):
    desk = make()
    other = Desk(open_study(desk.study.folder))
    say(desk, "ann", ACCEPT, ids)
    say(other, "bob", ACCEPT, ids)
    desk.refresh()
    assert len(desk.state.answers) == 16
    assert desk.head == other.head


def test_an_answer_counts_once_and_may_be_changed_or_undone(make, ids):
    desk = make(phases=2)
    first = desk.coming("ann")[0]
    for _ in range(2):
        desk.answer("ann", first.id, ACCEPT, request="the same request")
    assert Log(desk.study.folder).news()[-1]["event"] == "answer"
    assert len(Log(desk.study.folder).news()) == 2
    desk.answer("ann", first.id, REJECT, request=ids())
    assert desk.state.answers[first.id].answer["verdict"] == "reject"
    assert desk.undo("ann", request=ids())[0] == first
    assert desk.coming("ann")[0] == first
    with pytest.raises(InvalidInput, match="nothing to undo"):
        desk.undo("ann", request=ids())
    with pytest.raises(NotFound):
        desk.answer("bob", first.id, ACCEPT, request=ids())
    with pytest.raises(InvalidInput, match="this phase is over"):
        second = next(r for r in desk.study.plan["ann"] if r.phase == 2)
        desk.answer("ann", second.id, {"guess": "real"}, request=ids())


def test_the_second_phase_asks_what_the_first_must_not(make, ids):
    desk = make(images=3, phases=2, readers=("ann",), reads=1)
    for read in desk.coming("ann", 9):
        with pytest.raises(InvalidInput, match="does not ask for guess"):
            desk.answer("ann", read.id, {**ACCEPT, "guess": "real"}, request=ids())
        desk.answer("ann", read.id, ACCEPT, request=ids())
    assert desk.progress("ann").phase == 2
    assert not desk.progress("ann").finished
    say(desk, "ann", {"guess": "synthetic", "confidence": 3}, ids)
    assert desk.progress("ann").finished


def answers_by_rule(desk, ids, ann, bob):
    say(desk, "ann", ann, ids)
    say(desk, "bob", bob, ids)
    case = desk.study.cases[0].id
    return [desk.state.outcome(case, rule) for rule in ("all", "majority", "adjudicated")]


@pytest.mark.parametrize(
    ("ann", "bob", "outcomes"),
    [
        (ACCEPT, ACCEPT, ["accept", "accept", "accept"]),
        (REJECT, REJECT, ["reject", "reject", "reject"]),
        (ACCEPT, REJECT, ["reject", "undecided", "undecided"]),
        (ACCEPT, UNSURE, ["undecided", "undecided", "undecided"]),
        (
            ACCEPT,
            {"verdict": "accept", "scores": {"realism": 0}},
            ["accept", "accept", "undecided"],
        ),
    ],
)
def test_rules(make, ids, ann, bob, outcomes):
    assert answers_by_rule(make(images=1), ids, ann, bob) == outcomes


def test_one_reader_of_two_decides_nothing(make, ids):
    desk = make(images=1)
    say(desk, "ann", ACCEPT, ids)
    case = desk.study.cases[0].id
    for rule in ("all", "majority", "adjudicated"):
        assert desk.state.outcome(case, rule) == "undecided"


def test_adjudication_settles_what_readers_differ_on(make, ids):
    desk = make(images=2)
    one, other = (case.id for case in desk.study.cases)
    say(desk, "ann", ACCEPT, ids)
    say(desk, "bob", {one: REJECT, other: ACCEPT}, ids)
    assert desk.disputed("cal") == [one]
    assert desk.disputed("ann") == []
    with pytest.raises(NotFound):
        desk.adjudicate("ann", one, ACCEPT, request=ids())
    desk.adjudicate("cal", one, ACCEPT, request=ids())
    assert desk.disputed("cal") == []
    assert desk.state.outcome(one, "adjudicated") == "accept"
    assert desk.state.outcome(one, "majority") == "undecided"
    with pytest.raises(NotFound):
        desk.adjudicate("cal", other, REJECT, request=ids())


def mark(left, top, right, bottom):
    return {"shape": "box", "points": [[left, top], [right, bottom]], "artefact": "bone"}


def test_marks_that_do_not_overlap_are_a_difference(make, ids):
    desk = make(images=1)
    say(desk, "ann", {**REJECT, "marks": [mark(0.1, 0.1, 0.3, 0.3)]}, ids)
    say(desk, "bob", {**REJECT, "marks": [mark(0.5, 0.5, 0.8, 0.8)]}, ids)
    assert desk.state.differences(desk.study.cases[0].id) == ["marks"]


def test_accepted_lists_files_that_are_the_ones_read(make, ids, tmp_path):
    desk = make(images=4, controls=4, planted=1)
    kinds = {case.id: case.kind for case in desk.study.cases}
    assert Counter(kinds.values()) == {"synthetic": 4, "control": 1, "planted": 1}
    bad = next(c for c in desk.study.synthetic)
    verdicts = {i: REJECT if i == bad.id else ACCEPT for i in kinds}
    say(desk, "ann", verdicts, ids)
    say(desk, "bob", verdicts, ids)
    found = accepted(desk.study.folder, "all")
    assert len(found.images) == 3
    assert (found.rejected, found.undecided, found.log_head) == (1, 0, desk.head)
    for image in found.images:
        assert hashlib.sha256(image.path.read_bytes()).hexdigest() == image.sha256
        assert image.reads == 2
        assert "-images" in image.path.parent.name
    assert set(found.as_json()["images"][0]) == {"file", "sha256", "verdict", "reads"}
    found.images[0].path.write_bytes(b"another picture")
    with pytest.raises(InvalidInput, match="changed since it was read"):
        accepted(desk.study.folder, "all")
    found.images[0].path.unlink()
    with pytest.raises(NotFound, match="is gone"):
        accepted(desk.study.folder, "all")
    with pytest.raises(InvalidInput, match="no rule"):
        accepted(desk.study.folder, "most")
    with pytest.raises(NotFound, match="no study"):
        accepted(tmp_path)


def test_a_changed_key_or_rubric_is_told(make):
    for name in ("study.json", "rubric.toml"):
        desk = make(images=1)
        path = desk.study.folder / name
        path.write_text(
            path.read_text().replace("synthetic", "control").replace("Anatomy", "Bones")
        )
        with pytest.raises(InvalidInput, match="was changed"):
            open_study(desk.study.folder)


def test_what_cannot_be_made_is_refused(tmp_path):
    images = gather(pictures(tmp_path / "some", 3, 1))
    quiet = lambda done, total: None  # noqa: E731
    for more, why in (
        ({"readers": ("ann",), "design": Design(reads=2)}, "name more with --reader"),
        ({"readers": ("ann", "ann"), "design": Design()}, "each named once"),
        ({"readers": ("ann",), "design": Design(reads=1), "sample": 9}, "cannot read 9 of 3"),
        ({"readers": ("ann",), "design": Design(reads=1), "controls": images}, "among both"),
    ):
        with pytest.raises(InvalidInput, match=why):
            create_study(tmp_path / "s", NewStudy(name="x", images=images, **more), AT, quiet)
    with pytest.raises(InvalidInput, match="holds no images"):
        gather(pictures(tmp_path / "empty", 0, 1))
    with pytest.raises(NotFound):
        gather(tmp_path / "nowhere")


def test_the_rubric_refuses_what_it_does_not_ask():
    rubric = read_rubric(default_rubric())
    for answer, why in (
        ({"verdict": "maybe"}, "a verdict is"),
        ({"verdict": "reject"}, "say why"),
        ({"verdict": "accept", "scores": {"beauty": 1}}, "no scores beauty"),
        ({"verdict": "accept", "scores": {"realism": 3}}, "realism is scored"),
        ({"verdict": "accept", "scores": {"realism": True}}, "realism is scored"),
        ({"verdict": "accept", "marks": [mark(0, 0, 2, 1)]}, "points are"),
        ({"verdict": "accept", "marks": [{"shape": "star"}]}, "a mark is"),
        ({"verdict": "accept", "note": "x" * 3000}, "a note is"),
    ):
        with pytest.raises(InvalidInput, match=why):
            rubric.checked(answer, 1)
    own = read_rubric('name="mine"\nversion=3\n[[scores]]\nid="noise"\nlabel="Noise"\n')
    assert own.checked({"verdict": "accept", "scores": {"noise": -1}}, 1)["scores"] == {"noise": -1}
    assert own.digest != rubric.digest
    with pytest.raises(InvalidInput, match="no rubric"):
        read_rubric("name=1")
