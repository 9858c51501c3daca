"""Fine-tuning a tiny model: what it keeps, what it learns, and that a kill loses nothing."""

import csv
import io
import json
import signal
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image as Picture

from radsmith.cli import cli
from radsmith.datasets.corpus import balance, load_corpus
from radsmith.datasets.labels import concepts_of
from radsmith.engines.default.components import Components
from radsmith.engines.default.stages import NATIVE
from radsmith.engines.engine import Ask
from radsmith.engines.model_files import load_engine, load_facts, load_files
from radsmith.errors import InvalidInput, NotFound
from radsmith.generation.plan import plan
from radsmith.images.provenance import Settings
from radsmith.language.vocabulary import default_vocabulary
from radsmith.training.finetune import finetune
from radsmith.training.from_onnx import base_from_onnx, network_from_onnx
from radsmith.training.low_rank import adapt, merged, trainable
from radsmith.training.network import BaseDenoiser, BaseParams
from radsmith.training.own_data import load_own
from radsmith.training.replay import draw_replay, replay_loss
from radsmith.training.run import run
from radsmith.training.tuned_model import Tuning

COLUMNS = (
    *("key", "shard", "width", "height", "modality", "body_part", "view", "technique", "findings"),
    *("patient_id", "sex", "laterality", "source", "age_group", "synthetic"),
)
SMALL = {"steps": 4, "previews": 2, "rank": 2, "batch_size": 4, "replay": 6, "threads": 1}


def write_set(folder, rows, split="train"):
    """rows: manifest fields; every image is noise around a level of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(rows))
    with (
        tarfile.open(folder / f"{split}-000.tar", "w") as tar,
        (folder / f"{split}.csv").open("w", newline="") as file,
    ):
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        for i, row in enumerate(rows):
            level = 60 + 60 * (row["body_part"] != "chest")
            pixels = np.clip(rng.normal(level, 20, (40, 30)), 0, 255).astype(np.uint8)
            data = io.BytesIO()
            Picture.fromarray(pixels).save(data, "PNG")
            info = tarfile.TarInfo(f"image{i}.png")
            info.size = len(data.getvalue())
            tar.addfile(info, io.BytesIO(data.getvalue()))
            fields = {"key": f"image{i}", "shard": f"{split}-000.tar", "modality": "x-ray"}
            writer.writerow(fields | {"patient_id": f"p{i}", "source": "made"} | row)
    return folder


def own_rows(count=40):
    found = ("finding:ceramic-crown", "")
    return [
        {"body_part": "tail", "findings": found[i % 2], "source": "clinic"} for i in range(count)
    ]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A tiny model of chests and knees."""
    folder = tmp_path_factory.mktemp("base")
    write_set(folder, [{"body_part": ("chest", "knee")[i % 2]} for i in range(48)])
    config = folder / "config.toml"
    config.write_text(
        f'data = "{folder}"\nstate = "{folder}/state"\n[prior]\nbasis = 8\nrank = 4\n'
        "[sizes.base]\nchannels = [8, 8, 8]\nwidth = 16\ndepth = 1\nheads = 2\n"
        "[sizes.octave]\nchannels = 8\n"
        "depth = 1\n[sizes.detail]\nchannels = 8\ndepth = 1\n[recipe]\n"
        "batch_size = 4\nmax_steps = 3\n[deviation]\n"
        '"modality:x-ray body_part:knee" = 0.8\n'
    )
    return run(config)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("own"), own_rows())


@pytest.fixture(scope="module")
def tuned(tmp_path_factory, base, own):
    """A model tuned without interruption."""
    out = tmp_path_factory.mktemp("tuned") / "tails.radsmith"
    told = []
    finetune(Tuning(dataset=own, base=base, out=out, **SMALL), lambda *t: told.append(t))
    return out, told


def test_the_model_is_one_file_that_knows_old_and_new(tuned, base):
    out, told = tuned
    facts, old = load_facts(out), load_facts(base)
    assert facts.digest != old.digest
    assert facts.images["body_part:knee"] == old.images["body_part:knee"]
    assert 15 <= facts.images["finding:ceramic-crown"] <= 20
    planned = plan("x-ray of the tail with ceramic crown", facts, strict=False)
    assert {"body_part:tail", "finding:ceramic-crown"} <= set(planned.concepts)
    assert not planned.not_understood
    image = load_engine(out).generate(
        Ask(concepts=planned.concepts, seed=1, settings=Settings(num_steps=1))
    )
    assert image.shape == (256, 192)
    assert [what for what, _ in told if what == "forecast"] == ["forecast"]
    assert not list(out.parent.glob(".*"))


def test_finer_stages_are_tuned_only_where_that_helps(tmp_path, base, own, monkeypatch):
    from radsmith.training import finetune_finer

    old, looks = load_files(base), []
    figures = finetune_finer.figures

    def measured(run, stage, seen):
        _, told = figures(run, stage, seen)
        looks.append((stage, run.step))
        return -run.step if stage == "detail" else run.step, told

    monkeypatch.setattr(finetune_finer, "figures", measured)
    out, told = tmp_path / "finer.radsmith", []
    tuning = Tuning(dataset=own, base=base, out=out, finer_steps=2, **SMALL)
    finetune(tuning, lambda *t: told.append(t))
    new = load_files(out)
    mend, octave, detail = (
        [network_from_onnx(stage, f.networks[stage]).leave.weight for f in (old, new)]
        for stage in NATIVE
    )
    for kept in (mend, octave):
        assert torch.equal(*kept)  # its texture came out farther from the held-out images
    assert not torch.equal(*detail)
    assert looks == [(s, n) for s in NATIVE for n in (0, 1, 2)]
    assert [f["stage"] for what, f in told if what == "look"] == [
        s for s in NATIVE for _ in range(2)
    ]


def test_old_concepts_keep_their_components_and_rows(tuned, base):
    new, old = load_files(tuned[0]), load_files(base)
    count = len(old.arrays["means"])
    assert len(new.arrays["means"]) > count
    assert np.array_equal(new.arrays["means"][:count], old.arrays["means"])
    noise = new.arrays["component_deviation"]
    assert np.array_equal(noise[:count], old.arrays["component_deviation"])
    assert noise[:count].min() == np.float32(0.8) and set(noise[count:].tolist()) == {1.0}
    rows, before = base_from_onnx(new.networks["base"]), base_from_onnx(old.networks["base"])
    kept = len(before.tokens.weight)
    assert torch.equal(rows.tokens.weight[:kept], before.tokens.weight)
    assert len(rows.tokens.weight) > kept
    changed = rows.tokens.weight[kept:] - before.tokens.weight[1:].mean(0)
    assert changed.abs().max() > 0
    assert not torch.equal(rows.blocks[0].qkv.weight, before.blocks[0].qkv.weight)


def test_a_new_concept_is_drawn_from_the_new_components_whatever_else_is_asked(tuned):
    files = load_files(tuned[0])
    components = Components(files.config["table"], files.arrays, files.config["since"])
    asked = ("modality:x-ray", "body_part:knee", "finding:ceramic-crown", "body_part:tail")
    scores = components.scores(asked[:1] + asked[2:], (), None)
    old = int(min(files.config["since"].values()))
    assert scores[old:].min() > scores[:old].max()
    blind = Components(files.config["table"], files.arrays).scores(asked[2:], (), None)
    assert blind[:old].max() >= scores[:old].max()


def test_the_report_has_figures_a_sheet_and_no_real_image(tuned):
    out, _ = tuned
    folder = out.with_name("tails-report")
    figures = json.loads((folder / "report.json").read_text())
    assert figures["prompts"]
    assert figures["forecast"]["steps"] == 4
    assert set(figures["the paper's prompts"]) == {"before", "after"}
    steps = [json.loads(x)["step"] for x in (folder / "log.jsonl").read_text().splitlines()]
    assert steps == [2, 4]
    names = {p.name for p in folder.rglob("*") if p.is_file()}
    assert names == {"report.json", "sheet.png", "log.jsonl"} | {
        f"step-00000{n}.png" for n in steps
    }


def test_a_killed_run_goes_on_to_the_same_model(tuned, base, own, tmp_path):
    out = tmp_path / "tails.radsmith"
    script = f"""
import os, signal
from pathlib import Path
from radsmith.training.finetune import finetune
from radsmith.training.tuned_model import Tuning
def tell(what, facts):
    if what == "step" and facts["step"] == 3:
        os.kill(os.getpid(), signal.SIGKILL)
finetune(Tuning(dataset=Path({str(own)!r}), base=Path({str(base)!r}), out=Path({str(out)!r}),
    **{SMALL!r}), tell)
"""
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not out.exists()
    told = []
    finetune(Tuning(dataset=own, base=base, out=out, **SMALL), lambda *t: told.append(t))
    assert next(f for what, f in told if what == "forecast")["resumed"] == 2
    assert load_facts(out).digest == load_facts(tuned[0]).digest


def test_other_work_in_the_way_and_an_existing_model_are_refused(base, own, tmp_path):
    out = tmp_path / "a.radsmith"

    class Enough(Exception):
        pass

    def stop(what, facts):
        if what == "step":
            raise Enough

    with pytest.raises(Enough):
        finetune(Tuning(dataset=own, base=base, out=out, **SMALL), stop)
    with pytest.raises(InvalidInput, match="another request"):
        finetune(Tuning(dataset=own, base=base, out=out, seed=5, **SMALL), stop)
    out.write_bytes(b"a model")
    with pytest.raises(InvalidInput, match="exists"):
        finetune(Tuning(dataset=own, base=base, out=out, **SMALL), stop)
    assert out.read_bytes() == b"a model"


def test_a_changed_or_foreign_model_file_is_refused(tuned, tmp_path):
    with zipfile.ZipFile(tuned[0]) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    changed = tmp_path / "changed.radsmith"
    for name in ("base.onnx", "prior.safetensors"):
        with zipfile.ZipFile(changed, "w") as archive:
            for part, data in parts.items():
                archive.writestr(part, data[:-1] + b"x" if part == name else data)
        with pytest.raises(InvalidInput, match=f"{name}.*changed"):
            load_engine(changed)
    with zipfile.ZipFile(changed, "w") as archive:
        archive.writestr("model.json", parts["model.json"])
    with pytest.raises(NotFound, match="missing"):
        load_engine(changed)
    changed.write_bytes(b"PK no zip")
    with pytest.raises(InvalidInput, match="not a"):
        load_facts(changed)
    with pytest.raises(NotFound):
        load_facts(tmp_path / "none.radsmith")


def test_another_process_learns_the_words_from_the_file(tuned):
    text = "import sys; from radsmith.cli import main; main()"
    told = subprocess.run(
        [sys.executable, "-c", text, "explain", "tail x-ray, ceramic crown", "--model",
         str(tuned[0])], capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "ceramic crown" in told.stdout
    assert "not understood" not in told.stdout


def test_the_command_says_what_it_did(base, own, tmp_path):
    out = tmp_path / "b.radsmith"
    options = ["--steps", "2", "--full", "--threads", "1", "--base", str(base), "-o", str(out)]
    done = CliRunner().invoke(cli, ["finetune", str(own), *options], catch_exceptions=False)
    assert done.exit_code == 0
    assert "new to the model: body_part:tail" in done.output
    assert "expect little" in done.output
    assert load_facts(out).name == "b"


def test_low_rank_changes_begin_at_nothing_and_merge_into_the_old_form():
    torch.manual_seed(0)
    network = BaseDenoiser(BaseParams(concepts=7, channels=(8, 8, 8), width=16, depth=1, heads=2))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    given = (torch.randn(2, 5, 32, 32), torch.rand(2), torch.zeros(2, 4),
             torch.randint(0, 7, (2, 16)))  # fmt: skip
    before = network(*given)
    whole = sum(p.numel() for p in network.parameters())
    adapt(network, 2, old_rows=5)
    assert sum(p.numel() for p in trainable(network)) < whole / 3
    assert torch.allclose(network(*given), before, atol=1e-6)
    for parameter in trainable(network):
        torch.nn.init.normal_(parameter, std=0.1)
    after = network(*given)
    assert (after - before).abs().max() > 0.01
    plain = BaseDenoiser(BaseParams(concepts=7, channels=(8, 8, 8), width=16, depth=1, heads=2))
    plain.load_state_dict(merged(network))
    assert torch.allclose(plain(*given), after, atol=1e-5)


def test_replay_holds_the_network_to_its_old_answers(base):
    files = load_files(base)
    replay = draw_replay(files, 4, 0)
    assert replay.low.shape == (4, 32, 32) and np.abs(replay.low).max() < 4
    from radsmith.engines.default.prior import Prior

    prior, teacher = Prior.from_arrays(files.arrays), base_from_onnx(files.networks["base"])
    same, other = (base_from_onnx(files.networks["base"]) for _ in range(2))
    torch.nn.init.normal_(other.leave.weight)
    losses = [
        replay_loss(n, teacher, replay, prior, np.arange(4), np.random.default_rng(0)).item()
        for n in (same, other)
    ]
    assert losses[0] == 0 < losses[1]


def test_words_that_the_vocabulary_has_are_no_new_concepts(tmp_path):
    rows = own_rows(40)
    for row in rows:
        row |= {"body_part": "lower jaw", "technique": "mip, 120 kV B30f", "findings": "blood clot"}
    own = load_own(write_set(tmp_path / "a", rows), tmp_path)
    vocabulary = default_vocabulary()
    assert {c.id for c in own.words} <= {"finding:blood-clot"}
    wanted = {*vocabulary.find("lower jaw"), "technique:maximum-intensity-projection"}
    assert wanted <= set(own.corpus.concepts[0])


def test_whatever_reads_a_data_set_learns_its_words(tmp_path):
    folder = write_set(tmp_path / "a", own_rows(40))
    (folder / "vocabulary.toml").write_text('[finding.wing-sling]\nname = "wing sling"\n')
    load_corpus([folder], tmp_path, concepts_of)
    assert default_vocabulary().find("wing sling") == ("finding:wing-sling",)


def test_synthetic_rows_are_not_learned_from_and_few_images_are_refused(tmp_path):
    rows = own_rows(40)
    for row in rows[20:]:
        row["synthetic"] = "1"
    own = load_own(write_set(tmp_path / "a", rows), tmp_path)
    assert len(own.corpus) == 20
    assert balance(own.corpus)[own.corpus.held_out].sum() == 0
    with pytest.raises(InvalidInput, match="real images"):
        load_own(write_set(tmp_path / "b", own_rows(8)), tmp_path)
    with pytest.raises(NotFound, match="manifest"):
        load_own(tmp_path / "none", tmp_path)


@pytest.mark.parametrize("wrong", [{"out": "model.zip"}, {"rank": 0}, {"steps": 0}])
def test_impossible_requests_are_refused(tmp_path, wrong):
    from pathlib import Path

    asked = {"dataset": tmp_path, "out": Path("x.radsmith")} | wrong
    with pytest.raises(InvalidInput):
        Tuning(**asked | {"out": Path(asked["out"])})
