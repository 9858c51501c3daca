"""The commands of `radsmith review`, as people and programs call them."""

import json

import pytest
from click.testing import CliRunner

from radsmith.cli import cli
from radsmith.errors import InvalidInput, NotFound
from radsmith.review.desk import Desk
from radsmith.review.study import open_study
from tests.review.conftest import ACCEPT, REJECT, pictures, say

KEYS = ("krippendorff_alpha", "fleiss_kappa", "cohen_kappa", "gwet_ac1", "gwet_ac2")


def review(*args):
    done = CliRunner().invoke(cli, ["review", *map(str, args)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def refused(error, *args):
    done = CliRunner().invoke(cli, ["review", *map(str, args)])
    assert isinstance(done.exception, error), done.output
    return str(done.exception)


def test_agreement_of_ratings_made_anywhere(tmp_path):
    path = tmp_path / "ratings.csv"
    rows = ["a,x,1", "a,y,1", "b,x,2", "b,y,1", "c,x,3", "c,y,3", "d,x,1", "d,y,", "e,y,2"]
    path.write_text("case,reader,value\n" + "\n".join(rows) + "\n")
    told = json.loads(review("agreement", path, "--level", "ordinal", "--json"))
    for key in KEYS:
        assert -1 <= told[key]["interval"][0] <= told[key]["value"] <= told[key]["interval"][1] <= 1
    assert "0." in review("agreement", path)
    path.write_text("case,reader\na,x\n")
    assert "no column value" in refused(InvalidInput, "agreement", path)
    assert "no such file" in refused(NotFound, "agreement", tmp_path / "none.csv")


def test_a_study_from_folder_to_accepted(tmp_path, ids):
    images, real = pictures(tmp_path / "images", 8, 1), pictures(tmp_path / "real", 5, 2)
    study = tmp_path / "study"
    told = review(
        "new", study, "--images", images, "--controls", real, "--reader", "ann", "--phases", 1
    )
    assert "8 images, 2 hidden real ones" in told
    assert "holds a study already" in refused(
        InvalidInput, "new", study, "--images", images, "--reader", "ann"
    )
    desk = Desk(open_study(study))
    bad = desk.study.synthetic[0]
    say(desk, "ann", {c.id: REJECT if c is bad else ACCEPT for c in desk.study.cases}, ids)
    found = json.loads(review("accepted", study, "--rule", "all", "--json"))
    assert set(found) >= {"study", "rule", "log_head", "images", "rejected", "undecided"}
    assert (len(found["images"]), found["rejected"], found["undecided"]) == (7, 1, 0)
    assert set(found["images"][0]) == {"file", "sha256", "verdict", "reads"}
    assert "7 of 8 accepted" in CliRunner().invoke(cli, ["review", "accepted", str(study)]).output
    for path in review("report", study, "-o", tmp_path / "report").split():
        assert (tmp_path / "report").joinpath(path.rpartition("/")[2]).is_file()
    for name in ("ratings.csv", "ratings.parquet", "tasks.json"):
        assert "answers in" in review("export", study, "-o", tmp_path / name)
    assert "7 accepted images" in review("admit", study, "-o", tmp_path / "set")
    gate = review("gate", study, "-o", tmp_path / "gate.json")
    assert "not measured" in gate
    why = refused(
        InvalidInput, "new", tmp_path / "more", "--images", images, "--reader", "ann",
        "--gate", tmp_path / "gate.json", "--sample", 4,
    )  # fmt: skip
    assert "no check of" in why


def test_sampling_in_words():
    told = review("sampling", "--lot", 1000, "--rate", 0.03, "--read", 90, "--defects", 1)
    assert "read 91 of 1,000" in told
    found = json.loads(
        review(
            "sampling", "--rate", 0.05, "--good", 0.01, "--planted", 18, 20, "--read", 59, "--json"
        )
    )
    assert found["reads_without_a_defect"] == 59
    assert found["sequential"]["earliest_accept"] == 55
    assert found["upper_bound_with_reader"] > found["upper_bound"]
    assert "AQL" not in json.dumps(found)


@pytest.mark.slow
def test_the_demonstration_says_that_its_readers_are_simulated(tmp_path):
    told = review("demo", "-o", tmp_path / "demo")
    assert told.count("SIMULATED") == 2
    assert "SIMULATED" in (tmp_path / "demo" / "report" / "report.html").read_text()
    found = json.loads(review("accepted", tmp_path / "demo" / "study", "--json"))
    assert found["simulated_readers"] == ["simulated-careful", "simulated-hasty"]
    report = json.loads((tmp_path / "demo" / "report" / "report.json").read_text())
    assert report["cases"]["synthetic"] == 16
    assert report["acceptance"]["read_at_random"] == 0  # the third reader is you


@pytest.mark.parametrize("name", ["new", "person", "gate"])
def test_help_imports_nothing_heavy(name):
    assert "Usage" in review(name, "--help")
