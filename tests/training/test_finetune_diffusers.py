"""Fine-tuning tiny pipelines with random weights on pictures made on the spot."""

import csv
import io
import json
import shutil
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image as Pillow

from radsmith.cli import cli
from radsmith.datasets.entry import COLUMNS
from radsmith.engines.choice import load_engine, load_facts
from radsmith.engines.engine import Ask
from radsmith.errors import InvalidInput, NotFound, Unavailable
from radsmith.images.provenance import Settings
from tests.engines.tiny_pipelines import (
    SIDE,
    pixel_only,
    stable_diffusion,
    stable_diffusion_3,
    stable_diffusion_xl,
)

pytest.importorskip("peft", reason="the extra `diffusers` is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # those of torch, diffusers and transformers
LORA = "pytorch_lora_weights.safetensors"
KNEE = ("modality:x-ray", "body_part:knee", "finding:osteoarthritis")
KINDS = {
    "sd15": stable_diffusion,
    "sd2": lambda: stable_diffusion(prediction="v_prediction"),
    "sdxl": stable_diffusion_xl,
}


@pytest.fixture(autouse=True)
def one_thread():
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def picture(number, seed=0):
    """A bar (every third) or a disc, 40x48, each a little elsewhere."""
    rng = np.random.default_rng([seed, number])
    y, x = np.mgrid[:48, :40]
    bar, across, down = number % 3 == 0, rng.integers(-4, 5), rng.integers(-8, 9)
    inside = np.abs(x - 20 - across) < 6 if bar else (x - 20) ** 2 + (y - 24 - down) ** 2 < 150
    grain = rng.normal(0, 8, (12, 10)).repeat(4, 0).repeat(4, 1)
    return np.clip(inside * 170 + rng.integers(10, 50) + grain, 0, 255).astype(np.uint8)


def write_dataset(folder, pictures, patients):
    folder.mkdir()
    rows = []
    with tarfile.open(folder / "train-00000.tar", "w") as tar:
        for number, pixels in enumerate(pictures):
            stream = io.BytesIO()
            Pillow.fromarray(pixels).save(stream, "PNG")
            for suffix, data in (("json", b"{}"), ("png", stream.getvalue())):
                info = tarfile.TarInfo(f"image-{number}.{suffix}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            part, finding = ("knee", "osteoarthritis") if number % 3 == 0 else ("chest", "normal")
            rows.append(
                dict.fromkeys(COLUMNS, "")
                | {
                    "key": f"image-{number}", "shard": "train-00000.tar", "modality": "x-ray",
                    "body_part": part, "findings": f"finding:{finding}", "source": "own",
                    "width": pixels.shape[1], "height": pixels.shape[0],
                    "patient_id": f"patient-{number % patients}",
                }
            )  # fmt: skip
    with (folder / "train.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """42 images of 21 patients."""
    folder = tmp_path_factory.mktemp("data") / "own"
    return write_dataset(folder, [picture(n) for n in range(42)], 21)


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """A folder with one tiny pipeline of each kind."""
    folder = tmp_path_factory.mktemp("bases")
    for name, make in KINDS.items():
        make().save_pretrained(folder / name)
    return folder


def tune(dataset, base, out, report=lambda event, facts: None, **more):
    from radsmith.training.pipelines.finetune import PipelineTuning, finetune_pipeline

    usual = {"steps": 3, "preview_every": 50, "preview_steps": 2, "rank": 4, "learning_rate": 1e-2}
    usual |= {"preview_prompts": ("knee x-ray, osteoarthritis",)}
    request = PipelineTuning(data=dataset, base=str(base), out=out, **(usual | more))
    return finetune_pipeline(request, report)


def weights(out, name=LORA):
    from safetensors.numpy import load_file

    return load_file(out / name)


def same(one, other):
    assert one.keys() == other.keys()
    return all(np.array_equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def tuned(dataset, bases, tmp_path_factory):
    """kind -> a finished LoRA, with the events that were reported."""
    made = {}

    def of(kind):
        if kind not in made:
            out, events = tmp_path_factory.mktemp("tuned") / kind, []
            said = {"steps": 24, "preview_every": 12, "held_out_share": 0.5, "rank": 8}
            tune(dataset, bases / kind, out, lambda e, f: events.append((e, f)), **said)
            made[kind] = out, events
        return made[kind]

    return of


@pytest.mark.parametrize("kind", KINDS)
def test_a_lora_learns_and_is_read_by_stock_diffusers(kind, tuned, bases):
    import diffusers
    import torch

    out, _ = tuned(kind)
    figures = json.loads((out / "figures.json").read_text())
    assert figures["held_out_after"] < 0.98 * figures["held_out_before"]
    pipe = diffusers.DiffusionPipeline.from_pretrained(bases / kind)

    def drawn():
        colour = pipe(
            "knee x-ray, osteoarthritis", num_inference_steps=2, guidance_scale=3.0,
            height=SIDE, width=SIDE, generator=torch.Generator().manual_seed(5), output_type="np",
        ).images[0]  # fmt: skip
        return colour @ np.array([0.299, 0.587, 0.114])

    before = drawn()
    pipe.load_lora_weights(out)
    after = drawn()
    assert np.abs(after - before).max() > 0.01
    engine = load_engine(f"diffusers:{out}")
    found = engine.generate(
        Ask(concepts=KNEE, seed=5, settings=Settings(num_steps=2, guidance_scale=3.0))
    )
    assert np.allclose(found, after, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_training_tells_the_network_what_drawing_tells_it(kind, bases):
    """Words, pooled words and time ids, of a sentence and of the empty one, as in guidance."""
    import torch

    from radsmith.training.pipelines.parts import Noised, Words, losses, open_pipeline

    parts = open_pipeline(bases / kind, None, "auto")
    heard = []
    parts.pipe.unet.register_forward_pre_hook(
        lambda _, args, named: heard.append(named), with_kwargs=True
    )
    parts.pipe("chest x-ray", num_inference_steps=1, guidance_scale=3.0, height=SIDE, width=SIDE)
    unet_forward = parts.pipe.unet.forward
    told = []

    def listening(sample, t, words, **named):
        told.append((words, named["added_cond_kwargs"] or {}))
        return unet_forward(sample, t, words, **named)

    parts.pipe.unet.forward = listening
    zeros = np.zeros((2, 4, 16, 16), np.float32)
    batch = Noised(
        latents=zeros.astype(np.float16), noise=zeros, timesteps=np.array([1, 2]),
        sentences=["", "chest x-ray"],
    )  # fmt: skip
    losses(parts, Words(parts), batch)
    (words, more), drawing = told[0], heard[0]
    assert torch.equal(words, drawing["encoder_hidden_states"])
    assert more.keys() == (drawing["added_cond_kwargs"] or {}).keys()
    for name, value in more.items():
        assert torch.equal(value, drawing["added_cond_kwargs"][name]), name


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_of_the_pipelines_own_prediction(kind, bases):
    import torch

    from radsmith.training.pipelines.parts import Noised, Words, losses, open_pipeline

    parts = open_pipeline(bases / kind, None, "auto")
    rng = np.random.default_rng(0)
    x_0, noise = rng.standard_normal((2, 3, 4, 16, 16), np.float32)
    x_0, t = x_0.astype(np.float16), np.array([3, 50, 97])
    batch = Noised(latents=x_0, noise=noise, timesteps=t, sentences=["knee x-ray"] * 3)
    predicted = {}
    parts.pipe.unet.register_forward_hook(lambda _, given, out: predicted.update(x=given, y=out))
    found = losses(parts, Words(parts), batch).detach().numpy()
    kept = parts.pipe.scheduler.alphas_cumprod[torch.from_numpy(t)].numpy()[:, None, None, None]
    signal, spread = np.sqrt(kept), np.sqrt(1 - kept)
    assert np.allclose(predicted["x"][0].numpy(), signal * x_0 + spread * noise, atol=1e-5)
    wanted = signal * noise - spread * x_0 if kind == "sd2" else noise
    error = predicted["y"][0].detach().numpy() - wanted
    assert np.allclose(found, (error**2).mean((1, 2, 3)), rtol=1e-4)


def test_what_is_said_before_and_what_is_left_after(tuned, bases):
    out, events = tuned("sd15")
    outlook = dict(events)["outlook"]
    assert outlook["images"] + outlook["held_out_images"] == 42
    assert outlook["images_per_concept"]["x-ray"] == outlook["images"]
    assert outlook["thin_concepts"] == outlook["images_per_concept"]  # all below 50
    assert outlook["seconds_a_step"] > 0 and outlook["memory_bytes"]["measured_peak"] > 1e7
    said = [facts["text"] for event, facts in events if event == "warning"]
    assert any("“knee”" in text and "expect poor results" in text for text in said)
    sidecar = json.loads((out / "finetune.json").read_text())
    shapes = weights(out)
    assert sum(w.size for w in shapes.values()) == outlook["trainable_parameters"]
    assert {w.shape[0] for name, w in shapes.items() if "lora.down" in name} == {8}
    assert sidecar["base"] == {
        "where": str((bases / "sd15").resolve()),
        "digest": load_facts(f"diffusers:{bases / 'sd15'}").digest,
    }
    facts = load_facts(f"diffusers:{out}")
    assert facts.digest == sidecar["digest"] and "fine-tuned on" in facts.notes[0]
    assert [e[1]["step"] for e in events if e[0] == "look"] == [0, 12, 24]
    looks = json.loads((out / "figures.json").read_text())["looks"]
    assert all((out / look["sheet"]).is_file() for look in looks)
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in lines if "loss" in entry] == [10, 20]
    assert not (out.parent / "sd15-finetune-state").exists()
    with Pillow.open(out / "before-after.png") as sheet:
        assert np.asarray(sheet).std() > 5


def test_the_record_names_the_lora(tuned, tmp_path):
    out, _ = tuned("sd15")
    words = ["generate", "knee x-ray", "--engine", f"diffusers:{out}", "--steps", "2"]
    made = CliRunner().invoke(cli, [*words, "--format", "npy", "-o", str(tmp_path)])
    assert made.exit_code == 0, made.output
    record = json.loads((tmp_path / "knee-x-ray-0.json").read_text())
    assert record["model_digest"] == json.loads((out / "finetune.json").read_text())["digest"]
    assert any("fine-tuned on" in warning for warning in record["warnings"])


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from radsmith.training.pipelines.finetune import PipelineTuning, finetune_pipeline
data, base, out = sys.argv[1:]
request = PipelineTuning(
    data=Path(data), base=base, out=Path(out), steps=7, rank=4, learning_rate=1e-2, resume=True,
    preview_every=4, preview_steps=2, preview_prompts=("knee x-ray, osteoarthritis",),
    save_every_s=0,
)
moments = ("encoding", 16), ("step", 3), ("look", 4), ("writing", 7)
for moment in moments:
    def report(event, facts):
        if (event, facts.get("step", facts.get("done"))) == moment:
            os.kill(os.getpid(), signal.SIGKILL)
    child = os.fork()
    if child == 0:
        finetune_pipeline(request, report)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL, moment
"""


def test_a_killed_run_ends_in_the_same_weights(dataset, bases, tmp_path):
    said = {"steps": 7, "preview_every": 4}
    whole = tune(dataset, bases / "sd15", tmp_path / "whole", **said)
    out = tmp_path / "killed"
    where = [str(path) for path in (dataset, bases / "sd15", out)]
    subprocess.run([sys.executable, "-c", KILLED, *where], check=True)
    assert not (out / "finetune.json").exists()
    with pytest.raises(InvalidInput, match="--resume"):
        tune(dataset, bases / "sd15", out, **said)
    with pytest.raises(InvalidInput, match="seed: 0, now 1"):
        tune(dataset, bases / "sd15", out, seed=1, resume=True, **said)
    tune(dataset, bases / "sd15", out, resume=True, **said)
    assert same(weights(whole), weights(out))
    logs = [
        [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        for folder in (whole, out)
    ]
    looks = [[(e["step"], e["look"]) for e in log if "look" in e] for log in logs]
    assert looks[0] == looks[1]
    assert tune(dataset, bases / "sd15", out, resume=True, **said) == out
    with pytest.raises(InvalidInput, match="finished"):
        tune(dataset, bases / "sd15", out, **said)


def test_the_log_goes_back_to_the_last_checkpoint(tmp_path):
    from radsmith.training.checkpoints import add_to_log, read_log

    path = tmp_path / "log.jsonl"
    entries = [{"step": step} for step in (0, 10, 12, 20)]
    for entry in entries:
        add_to_log(path, entry)
    with path.open("a") as file:
        file.write('{"step": 3')
    assert read_log(path, 12) == entries[:3]
    add_to_log(path, {"step": 13})
    assert read_log(path, 20) == [*entries[:3], {"step": 13}]


def test_held_out_patients_are_never_learned_from(dataset, bases, tmp_path):
    from radsmith.training.pipelines.data import load_tuning_set

    data = load_tuning_set(dataset, 0.3)
    out, kept = set(data.held_out), set(data.training)
    patients = data.corpus.patients
    assert len(out) == 12 and not {patients[i] for i in out} & {patients[i] for i in kept}
    changed = [picture(n, seed=1 if n in out else 0) for n in range(42)]
    other = write_dataset(tmp_path / "other", changed, 21)
    found = [
        weights(tune(folder, bases / "sd15", tmp_path / name, held_out_share=0.3))
        for name, folder in (("one", dataset), ("two", other))
    ]
    assert same(*found)
    changed[min(kept)] = picture(0, seed=1)
    figures = [json.loads((tmp_path / n / "figures.json").read_text()) for n in ("one", "two")]
    assert figures[0]["held_out_after"] != figures[1]["held_out_after"]


def test_all_of_a_pipeline_can_be_trained(dataset, bases, tmp_path):
    import diffusers

    said = {"rank": None, "learning_rate": 1e-3, "steps": 12, "held_out_share": 0.5}
    out = tune(dataset, bases / "sd15", tmp_path / "full", **said)
    figures = json.loads((out / "figures.json").read_text())
    assert figures["held_out_after"] < 0.97 * figures["held_out_before"]
    pipe = diffusers.StableDiffusionPipeline.from_pretrained(out, safety_checker=None)
    assert pipe.unet.config.sample_size == SIDE // 2
    part = "diffusion_pytorch_model.safetensors"
    assert same(weights(out / "vae", part), weights(bases / "sd15" / "vae", part))
    assert not same(weights(out / "unet", part), weights(bases / "sd15" / "unet", part))
    engine = load_engine(f"diffusers:{out}")
    assert engine.generate(Ask(concepts=KNEE, seed=1, settings=Settings(num_steps=1))).shape == (
        SIDE,
        SIDE,
    )
    with (out / "unet" / part).open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x7f")
    with pytest.raises(InvalidInput, match="was changed"):
        load_facts(f"diffusers:{out}")


def test_a_lora_is_bound_to_its_files_and_its_base(tuned, bases, tmp_path):
    out = tmp_path / "lora"
    shutil.copytree(tuned("sd15")[0], out)
    sidecar = json.loads((out / "finetune.json").read_text())

    def say(**changed):
        (out / "finetune.json").write_text(json.dumps(sidecar | changed))

    say(base=sidecar["base"] | {"where": str(bases / "sd2")})
    with pytest.raises(InvalidInput, match="not the pipeline this LoRA was made for"):
        load_engine(f"diffusers:{out}")
    say(base=sidecar["base"] | {"where": "./nowhere/at/all"})
    with pytest.raises(NotFound, match=r"base\.where"):
        load_engine(f"diffusers:{out}")
    say(kind="other")
    with pytest.raises(InvalidInput, match="one of"):
        load_facts(f"diffusers:{out}")
    say()
    (out / LORA).write_bytes(b"x")
    with pytest.raises(InvalidInput, match="was changed"):
        load_facts(f"diffusers:{out}")
    (out / LORA).unlink()
    with pytest.raises(NotFound, match="is missing"):
        load_facts(f"diffusers:{out}")


@pytest.fixture(scope="module")
def stepper(dataset, bases):
    """Makes steppers over one encoded data set and one pipeline with a fresh LoRA."""
    from radsmith.training.pipelines.data import load_tuning_set
    from radsmith.training.pipelines.parts import Words, encode, make_trainable, open_pipeline
    from radsmith.training.pipelines.state import Encoded
    from radsmith.training.pipelines.steps import PipelineRecipe, Stepper

    data = load_tuning_set(dataset, 0.3)
    parts = open_pipeline(bases / "sd15", None, "auto")
    make_trainable(parts, 4, 0, spare=False)
    for name, parameter in parts.trained.items():
        if "lora_B" in name:
            parameter.data.normal_(0, 0.1)
    squares = np.stack([data.square(i, SIDE, "letterbox") for i in range(len(data))])
    encoded = Encoded(latents=encode(parts, squares), features={})

    def make(**said):
        usual = {"batch_size": 4, "at_once": 4, "learning_rate": 1e-3, "empty_share": 0.1}
        recipe = PipelineRecipe(key=[0], **(usual | said))
        return Stepper(recipe, parts, Words(parts), data, encoded), parts

    return make


def gradient(made, step=0):
    stepper, parts = made
    stepper.gradient(step)
    return {name: p.grad.clone() for name, p in parts.trained.items()}


def test_sparing_memory_leaves_the_gradient_as_it_is(stepper):
    import torch

    whole = gradient(stepper())
    by_one = gradient(stepper(at_once=1))
    made = stepper()
    made[1].pipe.unet.enable_gradient_checkpointing()
    again = gradient(made)
    made[1].pipe.unet.disable_gradient_checkpointing()
    for name, wanted in whole.items():
        assert wanted.abs().max() > 0
        for found in (by_one[name], again[name]):
            assert torch.allclose(found, wanted, rtol=1e-3, atol=1e-7), name
    other = gradient(stepper(), step=1)
    assert any(not torch.equal(other[name], whole[name]) for name in whole)


def test_private_gradients_are_clipped_one_by_one(stepper):
    """Against per-sample gradients by torch.func, an independent way to the same numbers."""
    import torch

    from radsmith.training.pipelines.steps import Privacy

    private, parts = stepper(privacy=Privacy(epsilon=1.0), noise=0.0)
    seen = []
    kept = private._batch
    private._batch = lambda *given: seen.append(kept(*given)) or seen[-1]
    gradient((private, parts))
    batch = seen[0]
    latents = torch.from_numpy(batch.latents.astype(np.float32))
    noise, t = torch.from_numpy(batch.noise), torch.from_numpy(batch.timesteps)
    words = private._words(batch.sentences)[0]
    fixed = {n: p for n, p in parts.pipe.unet.named_parameters() if n not in parts.trained}

    def error(trained, x_t, at, said, wanted):
        given = (x_t[None], at[None], said[None])
        out = torch.func.functional_call(
            parts.pipe.unet, {**fixed, **trained}, given, {"return_dict": False}
        )
        return ((out[0] - wanted[None]) ** 2).mean()

    each = torch.func.vmap(torch.func.grad(error), in_dims=(None, 0, 0, 0, 0))(
        {n: p.detach() for n, p in parts.trained.items()},
        parts.schedule.add_noise(latents, noise, t), t, words, noise,
    )  # fmt: skip
    norms = sum(g.flatten(1).square().sum(1) for g in each.values()).sqrt()
    clip = float(norms.median())
    assert norms.min() < 0.95 * clip and norms.max() > 1.05 * clip
    found = gradient(stepper(privacy=Privacy(epsilon=1.0, clip=clip), noise=0.0))
    share = (clip / norms).clamp(max=1)
    for name, own in each.items():
        wanted = (own * share.view(-1, *[1] * (own.dim() - 1))).sum(0) / 4
        assert torch.allclose(found[name], wanted, rtol=1e-3, atol=1e-6), name


def test_private_noise_has_the_spread_the_accountant_counts(stepper):
    import torch

    from radsmith.training.pipelines.steps import Privacy

    privacy = Privacy(epsilon=1.0, clip=0.5)
    quiet, loud = (gradient(stepper(privacy=privacy, noise=n)) for n in (0.0, 3.0))
    added = torch.cat([(loud[name] - quiet[name]).flatten() for name in quiet])
    assert float(added.std()) == pytest.approx(3.0 * 0.5 / 4, rel=0.05)
    assert abs(float(added.mean())) < 0.02


def test_epsilon_keeps_to_the_bound():
    pytest.importorskip("opacus", reason="the extra `privacy` is not installed")
    from radsmith.training.pipelines.steps import Privacy, epsilon_spent, noise_for

    privacy = Privacy(epsilon=3.0, delta=1e-5)
    noise = noise_for(privacy, 0.05, 400)
    assert 2.9 < epsilon_spent(privacy, noise, 0.05, 400) <= 3.0
    assert epsilon_spent(privacy, noise, 0.05, 0) == 0
    orders = np.arange(2, 64)  # a plain Gaussian mechanism in closed form (arXiv 1702.07476)
    bound = (20 * orders / (2 * 8.0**2) + np.log(1e5) / (orders - 1)).min()
    assert 0.7 * bound < epsilon_spent(privacy, 8.0, 1.0, 20) <= bound


def test_a_private_run_says_what_it_spent(dataset, bases, tmp_path):
    pytest.importorskip("opacus", reason="the extra `privacy` is not installed")
    from radsmith.training.pipelines.finetune import Privacy

    private = Privacy(epsilon=4.0, delta=1e-4)
    out = tune(dataset, bases / "sd15", tmp_path / "out", privacy=private, steps=11)
    sidecar = json.loads((out / "finetune.json").read_text())
    assert 3.5 < sidecar["privacy"]["epsilon"] <= 4.0
    assert "epsilon" in load_facts(f"diffusers:{out}").notes[0]
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [e["loss"] for e in lines if "loss" in e] == [None]
    again = tune(dataset, bases / "sd15", tmp_path / "again", privacy=private, steps=11)
    assert not same(weights(out), weights(again))  # noise from a seed could be taken away again
    for wrong in ({"rank": None}, {"steps": None, "minutes": 1.0}):
        with pytest.raises(InvalidInput, match="rank and steps"):
            tune(dataset, bases / "sd15", tmp_path / "no", privacy=private, **wrong)
    with pytest.raises(InvalidInput, match="at most once"):
        tune(dataset, bases / "sd15", tmp_path / "no", privacy=private, batch_size=50)
    assert {path.name for path in tmp_path.iterdir()} == {"out", "again"}


def test_the_watch_finds_copies(dataset):
    from radsmith.evaluation.features import pixel_space
    from radsmith.training.pipelines.data import load_tuning_set
    from radsmith.training.pipelines.preview import CopyWatch
    from radsmith.training.pipelines.state import Encoded

    data = load_tuning_set(dataset, 0.5)
    squares = [data.square(i, SIDE, "letterbox") for i in range(len(data))]
    latents = np.zeros((len(data), 4, 16, 16), np.float16)
    encoded = Encoded(latents=latents, features={"pixels": pixel_space(squares)})
    watch = CopyWatch(data, encoded, {"pixels": pixel_space}, (SIDE, "letterbox"))
    copies = [squares[i] * 0.9 for i in data.training[:4]]
    assert watch(copies)["pixels"]["nearer"] == 1
    assert watch([1 - image for image in squares[:4]])["pixels"]["nearer"] == 0
    few = load_tuning_set(dataset, 0.1)
    assert CopyWatch(few, encoded, {"pixels": pixel_space}, (SIDE, "letterbox"))(copies) is None


def test_pictures_are_fitted_by_a_stated_rule(tmp_path):
    from radsmith.training.pipelines.data import load_tuning_set

    wide = np.full((20, 40), 200, np.uint8)
    wide[:, :8] = 100
    data = load_tuning_set(write_dataset(tmp_path / "wide", [wide, wide], 2), 0.5)
    boxed, cut = (data.square(0, 32, fit) for fit in ("letterbox", "crop"))
    assert boxed[:8].max() == boxed[-8:].max() == 0 and boxed[8:24].min() > 0.3
    assert cut.min() > 0.7
    assert data.words == ["knee x-ray, osteoarthritis", "chest x-ray, normal"]


def no_pictures(folder):
    """A data set with test images alone."""
    folder.mkdir()
    (folder / "train.csv").write_text(",".join(COLUMNS) + "\n")
    return folder


def test_data_that_cannot_be_used(dataset, bases, tmp_path):
    with pytest.raises(NotFound, match="no manifest"):
        tune(tmp_path, bases / "sd15", tmp_path / "out")
    with pytest.raises(InvalidInput, match="lists no image"):
        tune(no_pictures(tmp_path / "none"), bases / "sd15", tmp_path / "out")
    broken = tmp_path / "broken"
    shutil.copytree(dataset, broken)
    table = good = (broken / "train.csv").read_text()
    for known in ("x-ray", "knee", "chest", "finding:osteoarthritis", "finding:normal"):
        table = table.replace(f",{known},", ",thing,")
    (broken / "train.csv").write_text(table)
    with pytest.raises(InvalidInput, match="nothing to ask for"):
        tune(broken, bases / "sd15", tmp_path / "out")
    (broken / "train.csv").write_text(good)
    (broken / "train-00000.tar").write_bytes(b"no tar at all" * 100)
    with pytest.raises(InvalidInput, match="no tar file"):
        tune(broken, bases / "sd15", tmp_path / "out")
    (broken / "train-00000.tar").unlink()
    with pytest.raises(NotFound, match="no shard"):
        tune(broken, bases / "sd15", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pipelines_that_cannot_be_fine_tuned(dataset, bases, tuned, tmp_path):
    import diffusers

    stable_diffusion(channels=9).save_pretrained(tmp_path / "inpaint")
    stable_diffusion_3().save_pretrained(tmp_path / "sd3")
    flow = stable_diffusion()
    flow.scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    flow.save_pretrained(tmp_path / "flow")
    for name, said in {
        "inpaint": "StableDiffusionInpaintPipeline cannot",
        "sd3": "StableDiffusion3Pipeline cannot",
        "flow": "no noise schedule",
    }.items():
        with pytest.raises(InvalidInput, match=said):
            tune(dataset, tmp_path / name, tmp_path / "out")
    with pytest.raises(InvalidInput, match="DDPMPipeline cannot"):
        tune(dataset, pixel_only(tmp_path / "plain"), tmp_path / "out")
    with pytest.raises(NotFound, match="no pipeline"):
        tune(dataset, "./nowhere/at/all", tmp_path / "out")
    with pytest.raises(InvalidInput, match="is a LoRA"):
        tune(dataset, tuned("sd15")[0], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"resolution": 30}, "multiples of 4"),
        ({"precision": "bfloat16"}, "needs a GPU"),
        ({"precision": "half"}, "precision is one of"),
        ({"steps": None}, "where to end"),
        ({"minutes": 0.0}, "above 0"),
        ({"batch_size": 0}, "at least 1"),
        ({"held_out_share": 1.0}, "below 1"),
        ({"fit": "squash"}, "fit is one of"),
        ({"preview_prompts": ("nothing at all",)}, "nothing to draw"),
    ],
)
def test_wrong_settings_are_named(wrong, said, dataset, bases, tmp_path):
    with pytest.raises(InvalidInput, match=said):
        tune(dataset, bases / "sd15", tmp_path / "out", **wrong)
    assert not (tmp_path / "out").exists()


def test_nothing_of_anyone_is_overwritten(dataset, bases, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InvalidInput, match="not empty"):
        tune(dataset, bases / "sd15", tmp_path)


def test_a_missing_extra_is_named(dataset, bases, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(Unavailable, match=r"radsmith\[diffusers\]"):
        tune(dataset, bases / "sd15", tmp_path / "out")


def test_the_command_fine_tunes(dataset, bases, tmp_path):
    words = ["finetune", str(dataset), "--base", f"diffusers:{bases / 'sd15'}", "--steps", "2"]
    words += ["--resolution", "16", "--prompt", "knee x-ray", "-o", str(tmp_path / "out")]
    made = CliRunner().invoke(cli, words)
    assert made.exit_code == 0, made.output
    assert "expect poor results" in made.output
    engine = load_engine(f"diffusers:{tmp_path / 'out'}")
    assert engine.generate(Ask(concepts=KNEE, seed=1, settings=Settings(num_steps=1))).shape == (
        16,
        16,
    )
