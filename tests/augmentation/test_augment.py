"""Augmenting: which images are made from which labels, that real ones stay as they are, that no
synthetic one is ever measured on, and that a killed run ends as a whole one does."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from click.testing import CliRunner
from PIL import Image as Picture

from radsmith.augmentation import run as augmenting
from radsmith.augmentation import work
from radsmith.augmentation.classes import BY, Labelled, classes_of
from radsmith.augmentation.plan import Target, plan_augmentation
from radsmith.cli import cli
from radsmith.datasets.corpus import load_corpus
from radsmith.datasets.entry import is_synthetic
from radsmith.datasets.labels import concepts_of
from radsmith.engines.engine import Ask, ModelFacts
from radsmith.errors import InvalidInput, NotFound
from radsmith.evaluation.copies import copy_guard, near_copies
from radsmith.evaluation.features import pixel_space
from radsmith.evaluation.real_files import real_images
from radsmith.images.pictures import read_record
from radsmith.images.stored import Stored
from radsmith.language.prompt import NORMAL
from tests.common import tiny_training
from tests.evaluation.test_evaluate import CHEST, KNEE, SICK, XRAY, FakeEngine, FakeJudge, picture

COLUMNS = (
    *("key", "shard", "width", "height", "modality", "body_part", "view", "technique", "findings"),
    *("caption", "patient_id", "sex", "age", "laterality", "source", "origin", "age_group"),
    "ward",
)
SICK_CLASS, KNEES = "chest x-ray: pneumonia", "knee x-ray: no finding said"


def row_of(number, split="train"):
    """Chests: 3 in 10 have pneumonia and come from children; knees have a side."""
    chest = number % 2 == 0
    sick = chest and number % 20 in (0, 2, 4)
    row = dict.fromkeys(COLUMNS, "") | {
        "key": f"{split}{number}",
        "modality": "x-ray",
        "body_part": "chest" if chest else "knee",
        "findings": ("pneumonia" if sick else "normal") if chest else "",
        "age_group": "child" if sick else "adult",
        "laterality": "" if chest else ("left", "right")[number // 2 % 2],
        "sex": "FM"[number // 2 % 2],
        "patient_id": f"{split}-p{number}",
        "source": "made",
        "caption": "the source's own words",
        "ward": f"w{number % 3}",
    }
    return row | {"shard": f"{split}-000.tar"}


def write_split(folder, split, count):
    rng = np.random.default_rng(len(split))
    rows = [row_of(number, split) for number in range(count)]
    with tarfile.open(folder / f"{split}-000.tar", "w") as tar:
        for row in rows:
            pixels = np.round(picture(concepts_of(row), rng) * 255).astype(np.uint8)
            row["height"], row["width"] = map(str, pixels.shape)
            data = io.BytesIO()
            Picture.fromarray(pixels).save(data, "PNG")
            info = tarfile.TarInfo(f"{row['key']}.png")
            info.size = len(data.getvalue())
            tar.addfile(info, io.BytesIO(data.getvalue()))
    write_rows(folder / f"{split}.csv", rows)


def write_rows(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def rows_in(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A data set of 100 training and 20 test images, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "data"
    folder.mkdir()
    write_split(folder, "train", 100)
    write_split(folder, "test", 20)
    yield folder
    work._engine.cache_clear()
    work._judge.cache_clear()


class Engine(FakeEngine):
    """Knows the classes of these data; pneumonia well, or as seldom as `sick` says."""

    def __init__(self, sick=200):
        super().__init__()
        known = dict(self.facts.images) | {SICK: sick, "age_group:child": 300}
        known |= {"age_group:adult": 500, "sex:female": 400, "sex:male": 400}
        own = dict.fromkeys((f"{CHEST} {SICK}", f"{XRAY} {CHEST} {SICK}"), sick)
        own |= dict.fromkeys((f"{CHEST} {NORMAL}", f"{XRAY} {CHEST} {NORMAL}"), 300)
        together = dict(self.facts.together) | own
        self.facts = ModelFacts(name="fake", digest="0" * 64, images=known, together=together)


def use(monkeypatch, engine, judge=None):
    """Put an engine, and a judge, at the seams."""
    monkeypatch.setattr("radsmith.engines.choice.load_facts", lambda choice: engine.facts)
    for module in (augmenting, work):
        monkeypatch.setattr(module, "load_engine", lambda choice: engine)
        monkeypatch.setattr(module, "load_judge", lambda path: judge)


def augment(*arguments):
    return CliRunner().invoke(cli, ["augment", *map(str, arguments)], catch_exceptions=False)


def labelled(count=100):
    rows = [row_of(number) for number in range(count)]
    return Labelled(rows=rows, concepts=[concepts_of(row) for row in rows])


NOTHING = Labelled(rows=(), concepts=())


def planned(data, target, *, engine=None, weak=False, by=BY, seed=0):
    facts = (engine or Engine()).facts
    classes = classes_of(data, NOTHING, by, facts)
    return plan_augmentation(data, classes, Target.parse(target), facts, seed, weak=weak)


def test_classes_are_counted_and_brought_to_the_target():
    plan = planned(labelled(), "60")
    assert {c.name: c.size for c in plan.classes} == {
        KNEES: 50, "chest x-ray: normal": 35, SICK_CLASS: 15,
    }  # fmt: skip
    assert Counter(item.label for item in plan.items) == {
        KNEES: 10, "chest x-ray: normal": 25, SICK_CLASS: 45,
    }  # fmt: skip
    assert set(plan.expected.values()) == {60} and not plan.skipped


def test_balance_takes_the_largest_class_or_a_quantile_and_says_why():
    plan = planned(labelled(), "balance")
    assert plan.goal == 50 and KNEES in plan.why and "largest" in plan.why
    plan = planned(labelled(), "balance:0.5")
    assert plan.goal == 35 and "quantile 0.5" in plan.why
    assert {item.label for item in plan.items} == {SICK_CLASS}
    assert planned(labelled(), "9").items == []
    for wrong in ("0", "-3", "many", "balance:2", "balance:x", "3.5", ""):
        with pytest.raises(InvalidInput, match="target must be"):
            Target.parse(wrong)


def test_labels_keep_the_joint_distribution_of_the_class():
    data = labelled()
    plan = planned(data, "60")
    used = Counter(item.row for item in plan.items if item.label == SICK_CLASS)
    assert (
        set(used.values()) == {3} and len(used) == 15
    )  # 45 of 15: each row as often as the others
    ages = {data.rows[item.row]["age_group"] for item in plan.items if item.label == SICK_CLASS}
    assert ages == {"child"}
    assert all("child" in item.prompt for item in plan.items if item.label == SICK_CLASS)


def test_a_larger_target_goes_on_with_the_same_images():
    few, many = planned(labelled(), "60"), planned(labelled(), "90")
    seeds = [{(i.label, i.row, i.seeds) for i in plan.items} for plan in (few, many)]
    assert seeds[0] < seeds[1]
    assert len({s for item in many.items for s in item.seeds}) == 6 * len(many.items)
    other = planned(labelled(), "60", seed=1)
    assert not {i.seeds for i in few.items} & {i.seeds for i in other.items}


def test_what_the_model_hardly_learned_is_skipped_unless_asked_for():
    plan = planned(labelled(), "60", engine=Engine(sick=49))
    assert plan.skipped == {SICK_CLASS: "too rarely learned"}
    assert SICK_CLASS not in {item.label for item in plan.items}
    assert planned(labelled(), "60", engine=Engine(sick=0)).skipped == {SICK_CLASS: "never learned"}
    plan = planned(labelled(), "60", engine=Engine(sick=49), weak=True)
    assert not plan.skipped and plan.expected[SICK_CLASS] == 60
    assert any("49 training images" in w for w in plan.warned[SICK_CLASS])


def test_no_image_is_labelled_with_a_finding_the_model_never_learned():
    """A row of a well learned class that has another finding too is not a model for others."""
    data = labelled()
    for number in (0, 2, 4, 20):
        data.rows[number]["findings"] = "pneumonia;pneumothorax"
    data = Labelled(rows=data.rows, concepts=[concepts_of(row) for row in data.rows])
    plan = planned(data, "60")
    assert "chest x-ray: pneumothorax" in plan.skipped
    assert not {0, 2, 4, 20} & {item.row for item in plan.items}
    assert plan.expected[SICK_CLASS] == 60 and plan.expected["chest x-ray: pneumothorax"] == 4


def test_an_image_counts_for_every_class_it_belongs_to():
    data = labelled()
    for row in data.rows:
        if row["findings"] == "pneumonia":
            row["findings"] = "viral pneumonia"
    data = Labelled(rows=data.rows, concepts=[concepts_of(row) for row in data.rows])
    facts = Engine().facts
    viral = (
        {"finding:viral-pneumonia": 100},
        {f"{kind} finding:viral-pneumonia": 100 for kind in (CHEST, f"{XRAY} {CHEST}")},
    )
    facts = ModelFacts(
        name="", digest="", images=facts.images | viral[0], together=facts.together | viral[1]
    )
    classes = classes_of(data, NOTHING, BY, facts)
    plan = plan_augmentation(data, classes, Target.parse("30"), facts, 0)
    assert plan.expected[SICK_CLASS] == 30 == plan.expected["chest x-ray: viral pneumonia"]
    assert len(plan.items) == 15


def test_findings_said_to_be_absent_are_asked_to_be_absent():
    data = labelled()
    for row in data.rows:
        row["labels"] = '{"finding:pneumothorax":0,"finding:fracture":null}'
    plan = planned(data, "60")
    chests = [item.prompt for item in plan.items if item.label == SICK_CLASS]
    assert all(p.endswith("pneumonia, no pneumothorax") for p in chests)
    data.rows[0]["labels"] = "[1"
    with pytest.raises(InvalidInput, match="JSON object"):
        planned(data, "60")


def test_classes_by_other_columns_and_unknown_ones():
    plan = planned(labelled(), "40", by=("body_part", "sex"))
    assert {c.name: c.size for c in plan.classes} == {
        "knee: M": 25, "knee: F": 25, "chest: F": 25, "chest: M": 25,
    }  # fmt: skip
    assert {c.name for c in planned(labelled(), "40", by=("ward",)).classes} == {"w0", "w1", "w2"}
    for by in (("key",), ("patient_id",), ("colour",), ("",), ()):
        with pytest.raises(InvalidInput, match="class cannot be made by"):
            planned(labelled(), "40", by=by)


def test_an_engine_of_which_nothing_is_known_skips_nothing():
    engine = FakeEngine()
    engine.facts = ModelFacts(name="", digest="", images=None, together=None)
    plan = planned(labelled(), "60", engine=engine)
    assert not plan.skipped and plan.classes[0].learned is None


@pytest.mark.slow
def test_the_data_set_is_complete_and_the_originals_stay(data, tmp_path, monkeypatch):
    use(monkeypatch, Engine())
    before = {p.name: p.read_bytes() for p in data.iterdir()}
    out = tmp_path / "out"
    result = augment(data, "--target", 14, "-o", out, "--by", "modality,body_part,finding,ward")
    assert result.exit_code == 0 and result.stdout.strip() == str(out)
    assert {p.name: p.read_bytes() for p in data.iterdir()} == before
    for name in ("train-000.tar", "test-000.tar", "test.csv"):
        assert (out / name).read_bytes() == before[name]
    rows, old = rows_in(out / "train.csv"), rows_in(data / "train.csv")
    assert [{c: row[c] for c in COLUMNS} for row in rows[:100]] == old
    made = rows[100:]
    assert len(made) == 34 and all(is_synthetic(row) for row in made)
    assert not any(is_synthetic(row) for row in rows[:100])
    by_key = {row["key"]: row for row in old}
    with tarfile.open(out / made[0]["shard"]) as tar:
        names = tar.getnames()
        for row in made:
            labels = by_key[row["origin"].removeprefix("labels of ")]
            for column in ("findings", "age_group", "sex", "laterality", "body_part", "ward"):
                assert row[column] == labels[column]
            assert (row["caption"], row["source"]) == ("", "radsmith-synthetic")
            assert row["model_digest"] == "0" * 64 and row["prompt"] and row["seed"].isdecimal()
            assert row["patient_id"] == row["key"]
        (tmp_path / "one.png").write_bytes(tar.extractfile(f"{made[0]['key']}.png").read())
        facts = json.loads(tar.extractfile(f"{made[0]['key']}.json").read())
    assert names == [f"{row['key']}.{kind}" for row in made for kind in ("png", "json")]
    assert facts == {name: value for name, value in made[0].items() if value}
    record = read_record(tmp_path / "one.png")
    assert (record.seed, record.canonical_prompt) == (int(made[0]["seed"]), made[0]["prompt"])
    table = pyarrow.parquet.read_table(out / "manifest.parquet").to_pylist()
    assert [(r["key"], r["split"]) for r in table] == [
        *((row["key"], "train") for row in rows), *((f"test{n}", "test") for n in range(20)),
    ]  # fmt: skip
    assert (out / "samples.png").is_file()
    assert not (tmp_path / "out-augment-state").exists()
    summary = json.loads((out / "augment.json").read_text())
    sick = summary["classes"]["chest x-ray: pneumonia, w0"]
    assert sick["real"] == 5 and sick["after"] == 14 == 5 + sick["made"]["made"]
    with pytest.raises(InvalidInput, match="complete augmentation"):
        augment(data, "--target", 60, "-o", out)


@pytest.mark.slow
def test_training_takes_it_and_nothing_measures_on_it(data, tmp_path, monkeypatch):
    use(monkeypatch, Engine())
    out = tmp_path / "out"
    augment(data, "--target", 55, "-o", out)
    corpus = load_corpus([out], tmp_path / "cache", concepts_of)
    assert len(corpus) == len(rows_in(out / "train.csv")) == 165
    assert corpus.synthetic.sum() == 65 and not (corpus.held_out & corpus.synthetic).any()
    assert (corpus.held_out[:100] == load_corpus([data], tmp_path, concepts_of).held_out).all()
    assert "style:radsmith-synthetic" in corpus.concepts[-1]
    sick = sum(SICK in ids for ids, held in zip(corpus.concepts, corpus.held_out, strict=True)
               if not held)  # fmt: skip
    assert corpus.counts()[SICK] == sick > 50
    assert corpus.counts(real_only=True)[SICK] <= 15 >= corpus.counts_together()[f"{CHEST} {SICK}"]
    real = real_images(out, "train")
    assert len(real.images) == 100 and "style:radsmith-synthetic" not in {
        c for ids in real.concepts for c in ids
    }
    synthetic = rows_in(out / "train.csv")[-1]
    (out / "test.csv").unlink()
    mistaken = [dict.fromkeys(synthetic, "") | row for row in rows_in(data / "test.csv")]
    write_rows(out / "test.csv", [*mistaken, synthetic])
    test = load_corpus([out], tmp_path / "cache", concepts_of, "test")
    assert len(test) == 20 and not test.synthetic.any()
    write_rows(out / "test.csv", [synthetic])
    with pytest.raises(InvalidInput, match="synthetic images alone"):
        load_corpus([out], tmp_path / "cache", concepts_of, "test")


@pytest.fixture
def torch_threads():
    """Training sets how many threads torch uses, on which the last digits of later tests depend."""
    import torch

    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.torch
@pytest.mark.usefixtures("torch_threads")
def test_a_whole_training_run_takes_the_augmented_folder(data, tmp_path, monkeypatch):
    from radsmith.training.run import run

    use(monkeypatch, Engine())
    out = tmp_path / "out"
    augment(data, "--target", 52, "-o", out)
    config = tiny_training(tmp_path, out)
    facts = json.loads((run(config) / "model.json").read_text())
    assert facts["images_per_concept"][SICK] <= 15  # what there is real evidence of
    assert facts["images_per_source"] == {"made": 100, "radsmith-synthetic": 56}


@pytest.mark.slow
def test_augmenting_twice_makes_other_images(data, tmp_path, monkeypatch):
    use(monkeypatch, Engine())
    one, two = tmp_path / "one", tmp_path / "two"
    augment(data, "--target", 36, "-o", one)
    augment(one, "--target", 40, "-o", two)
    rows = rows_in(two / "train.csv")
    assert len({row["key"] for row in rows}) == len(rows) == 130
    assert len({row["digest"] for row in rows if is_synthetic(row)}) == 30
    assert {p.name for p in two.glob("*.tar")} == {
        "train-000.tar", "test-000.tar", "train-synthetic-00000.tar", "train-synthetic-00001.tar",
    }  # fmt: skip
    assert len(load_corpus([two], tmp_path / "cache", concepts_of)) == 130
    origins = {row["origin"] for row in rows if is_synthetic(row)}
    assert not any("synthetic" in origin for origin in origins)


@pytest.mark.slow
def test_copies_of_real_images_never_get_in(data, tmp_path, monkeypatch):
    real = real_images(data, "train")

    class Copying(Engine):
        def generate(self, ask):
            if (
                ask.seed % 2 and SICK in ask.concepts
            ):  # every other image is a mirrored, brighter original
                same = [i for i, ids in enumerate(real.concepts) if SICK in ids]
                mirrored = real.images[same[ask.seed % len(same)]][:, ::-1]
                return np.clip(mirrored * 1.05, 0, 1).astype(np.float32)
            return super().generate(ask)

    use(monkeypatch, Copying())
    result = augment(data, "--target", 50, "-o", tmp_path / "out")
    assert "near a real image, drawn again" in result.stderr
    made = [row for row in rows_in(tmp_path / "out/train.csv") if is_synthetic(row)]
    assert all(int(row["seed"]) % 2 == 0 for row in made if row["findings"] == "pneumonia")
    tally = json.loads((tmp_path / "out/augment.json").read_text())["classes"][SICK_CLASS]["made"]
    assert tally["copies"] >= 20 and tally["made"] + tally["dropped"] == 35


def test_a_guard_knows_planted_copies_and_says_where_it_knows_nothing():
    rng = np.random.default_rng(3)
    images = [picture((XRAY, KNEE), rng) for _ in range(60)]
    patients = [f"p{n}" for n in range(60)]
    guard = copy_guard(Stored(images), patients, pixel_space, np.random.default_rng(0))
    planted = near_copies(images[:30], np.random.default_rng(5))
    assert np.mean([guard.catches(image, pixel_space) for image in planted]) >= 0.7
    assert guard.sensitivity >= 0.7
    fresh = [picture((XRAY, KNEE), rng) for _ in range(40)]
    assert np.mean([guard.catches(image, pixel_space) for image in fresh]) <= 0.15
    one_patient = copy_guard(Stored(images), ["p"] * 60, pixel_space, np.random.default_rng(0))
    assert one_patient is None
    few = copy_guard(Stored(images[:19]), patients[:19], pixel_space, np.random.default_rng(0))
    assert few is None
    other = [picture((XRAY, CHEST), rng)]
    wider = copy_guard(Stored(images), patients, pixel_space, np.random.default_rng(0), other)
    assert wider.catches(other[0], pixel_space) and not guard.catches(other[0], pixel_space)


class Judge(FakeJudge):
    facts = FakeJudge.facts | {"digest": "1"}


@pytest.mark.slow
def test_only_what_the_judge_recognises_is_kept_if_asked(data, tmp_path, monkeypatch):
    class Careless(Engine):
        def generate(self, ask):
            drawn = tuple(c for c in ask.concepts if c != SICK or ask.seed % 3)
            return super().generate(Ask(concepts=drawn, seed=ask.seed, settings=ask.settings))

    use(monkeypatch, Careless(), Judge())
    augment(data, "--target", 50, "-o", tmp_path / "all")
    result = augment(data, "--target", 50, "-o", tmp_path / "kept", "--keep-agreeing")
    assert "not recognised by the judge, drawn again" in result.stderr
    assert "it chose them" in result.stderr
    counts = {}
    for name in ("all", "kept"):
        made = [row for row in rows_in(tmp_path / name / "train.csv") if is_synthetic(row)]
        wrong = [row for row in made if row["findings"] and int(row["seed"]) % 3 == 0]
        counts[name] = sum(row["findings"] == "pneumonia" for row in wrong)
    assert counts["all"] > 5 and counts["kept"] == 0
    summary = json.loads((tmp_path / "kept/augment.json").read_text())
    assert summary["classes"][SICK_CLASS]["made"]["disagreeing"] > 5


CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.augmentation.test_augment import Engine, augmenting, augment, work
engine = Engine()
augmenting.load_engine = work.load_engine = lambda choice: engine
import radsmith.engines.choice
radsmith.engines.choice.load_facts = lambda choice: engine.facts
augmenting.SHARD = 20
augment(*sys.argv[2:])
"""


def contents(out):
    return {p.name: p.read_bytes() for p in sorted(out.iterdir())}


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_set(data, tmp_path, monkeypatch):
    use(monkeypatch, Engine())
    monkeypatch.setattr(augmenting, "SHARD", 20)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    augment(data, "--target", 55, "-o", whole)
    child = tmp_path / "child.py"
    child.write_text(CHILD)
    command = [sys.executable, str(child), str(Path(__file__).parents[2]), str(data)]
    command += ["--target", "55", "-o", str(killed)]
    state = tmp_path / "killed-augment-state"
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (
        (state / "shard-00000.json").exists() and list((state / "items").glob("0*"))
    ):
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert state.exists() and not (killed / "train.csv").exists()
    for other in (("--target", 56), ("--target", 55, "--seed", 1), ("--target", 55, "--weak")):
        with pytest.raises(InvalidInput, match="other options"):
            augment(data, *other, "-o", killed)
    augment(data, "--target", 55, "-o", killed)
    assert contents(killed) == contents(whole)


@pytest.mark.slow
def test_the_images_do_not_depend_on_the_workers(data, tmp_path):
    """With the shipped model, in this process and in two of their own."""
    one, two = tmp_path / "one", tmp_path / "two"
    arguments = (data, "--target", 20, "--steps", 1)
    augment(*arguments, "-o", one)
    result = augment(*arguments, "-o", two, "--workers", 2)
    assert "5 images added" in result.stderr
    assert contents(one) == contents(two)


def test_a_dry_run_writes_nothing_and_says_how_long(data, tmp_path, monkeypatch):
    use(monkeypatch, Engine(sick=49))
    result = augment(data, "--target", 60, "--dry-run")
    assert "35 images to be made" in result.stdout and "s each" in result.stdout
    assert "skipped: too rarely" in result.stdout and SICK_CLASS in result.stdout
    assert {p.name for p in tmp_path.iterdir()} == {"data"}


def test_bad_input_is_said_before_any_work(data, tmp_path, monkeypatch):
    use(monkeypatch, Engine())
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("precious")
    for arguments, error, words in (
        ((data, "--target", "lots"), InvalidInput, "target must be"),
        ((data, "--target", 60, "--by", "shoe size"), InvalidInput, "there are finding, modality"),
        ((data, "--target", 60, "-o", data), InvalidInput, "is the data set itself"),
        ((data, "--target", 60, "-o", full), InvalidInput, "is not empty"),
        ((data, "--target", 5), InvalidInput, "nothing to make for 5 images a class"),
        ((tmp_path / "nowhere", "--target", 60), NotFound, "no manifest"),
        ((data, "--target", 60, "--engine", "magic"), InvalidInput, "an engine is"),
        ((data, "--target", 60, "--steps", 0), InvalidInput, "steps must be"),
    ):
        with pytest.raises(error, match=words):
            augment(*arguments)
    assert (full / "mine.txt").read_text() == "precious"
    rows = rows_in(data / "train.csv")
    rows[3]["shard"] = "../outside.tar"
    write_rows(data / "train.csv", rows)
    with pytest.raises(InvalidInput, match="plain file name"):
        augment(data, "--target", 60)
    rows[3]["shard"] = "train-007.tar"
    write_rows(data / "train.csv", rows)
    with pytest.raises(NotFound, match=r"train-007\.tar"):
        augment(data, "--target", 60)
    assert {p.name for p in tmp_path.iterdir()} == {"data", "full"}
