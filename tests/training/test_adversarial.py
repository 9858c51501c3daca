"""The second phase of the finer stages: laws of its parts, and a run that is killed in it."""

import json
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from radsmith.engines.default.stages import FINER, FinerStep, finer_mean
from radsmith.errors import InvalidInput
from radsmith.images.resize import enlarge, shrink
from radsmith.training import loop
from radsmith.training.adversarial import (
    Residual,
    Weights,
    critic_loss,
    generator_loss,
    penalty,
    strangeness,
)
from radsmith.training.batches import Batch
from radsmith.training.choosing import copies
from radsmith.training.discriminator import Discriminator, DiscriminatorParams
from radsmith.training.network import Upsampler, UpsamplerParams
from radsmith.training.refining import CROP, ask, squared_loss
from radsmith.training.run import run
from tests.training.test_training import make_data

MEND, OCTAVE, DETAIL, SHARP = (FINER[name] for name in ("mend", "octave", "detail", "sharp"))
CPU = torch.device("cpu")
TINY = DiscriminatorParams(channels=(8, 8))


def batch_of(count=4, seed=0, side=256):
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(-1, 1, (count, side // 4, side // 4)).astype(np.float32)
    fine = enlarge(coarse, 4) + 0.1 * rng.standard_normal((count, side, side)).astype(np.float32)
    return Batch(
        fine=fine,
        box=np.tile(np.array([0, side // 8, side, side * 7 // 8]), (count, 1)),
        crop=np.zeros((count, 4), np.float32),
        concepts=np.ones((count, 16), np.int64),
        index=np.arange(count),
    )


def asked_of(step: FinerStep, *, whole=False, seed=0):
    batch = batch_of(side=max(256, step.output_side))
    return ask(step, batch, np.random.default_rng(seed), CPU, whole=whole)


def network_of(step: FinerStep):
    torch.manual_seed(0)
    sizes = {"channels": 8, "depth": 1, "scale": step.scale, "cell": step.cell}
    return Upsampler(UpsamplerParams(concepts=2, **sizes))


@pytest.mark.parametrize("step", [MEND, OCTAVE, DETAIL, SHARP])
def test_coarse_image_and_residual_are_the_image(step):
    asked = asked_of(step, whole=True)
    whole = (asked.coarse + step.spread * asked.real)[:, 0].numpy()
    fine = batch_of(side=max(256, step.output_side)).fine
    assert np.allclose(whole, shrink(fine, fine.shape[-1] // step.output_side), atol=1e-4)
    mask = asked.mask[:, 0].numpy()
    eighth = step.output_side // 8
    assert not mask[:, :eighth].any() and mask[:, eighth:-eighth].all(), "bars are known"
    cut = asked_of(step)
    side = min(step.low_side, CROP * step.cell)
    assert cut.low.shape == (4, 1, side, side)
    assert cut.real.shape == cut.mask.shape == (4, 1, side * step.scale, side * step.scale)


def test_what_is_mended_is_noised_by_its_contrast_and_stands_on_what_is_certain():
    """Noise that a chest radiograph bears would drown a brain in dark gray."""
    rng = np.random.default_rng(0)
    image = rng.uniform(-0.9, 0.9, (32, 32)).astype(np.float32)
    faint = np.float32(0.2) * image - np.float32(0.5)
    assert MEND.level(image, 0.1) == pytest.approx(0.1)
    assert 0.1 * 0.15 <= MEND.level(faint, 0.1) < 0.3 * MEND.level(image, 0.1)
    assert MEND.level(np.full((32, 32), -1, np.float32), 0.1) == pytest.approx(0.015)
    assert OCTAVE.level(faint, 0.1) == OCTAVE.level(image, 0.1) == np.float32(0.1)
    noise = 0.3 * rng.standard_normal(image.shape).astype(np.float32)
    off = MEND.coarse(image + noise) - MEND.coarse(image)
    assert off.std() < 0.3 * noise.std() and MEND.coarse(image).shape == image.shape
    batch = replace(batch_of(), fine=np.broadcast_to(0.2 * batch_of().fine - 0.5, (4, 256, 256)))
    levels = [
        ask(MEND, b, np.random.default_rng(0), CPU, whole=True).level for b in (batch_of(), batch)
    ]
    assert (levels[1] < 0.5 * levels[0]).all(), "what the network is told"


@pytest.mark.parametrize("step", [OCTAVE, SHARP])
def test_what_is_known_is_drawn_as_it_is(step):
    asked = asked_of(step)
    known = asked.mask == 0
    assert known.any() and not known.all()
    assert torch.equal(asked.drawn(network_of(step))[known], asked.real[known])


def test_a_residual_that_is_there_is_the_mean_at_no_noise():
    residual = np.ones((1, 2, 2), np.float32)
    mean, error = finer_mean(residual, np.zeros((1, 1, 1), np.float32))
    assert np.array_equal(mean, residual) and error.max() <= 0.02
    assert not finer_mean(residual, np.ones((1, 1, 1), np.float32))[0].any()


def test_a_discriminator_learns_and_says_how_often_it_is_right():
    asked, drawn = asked_of(DETAIL, whole=True), torch.zeros(4, 1, 256, 256)
    torch.manual_seed(0)
    critic = Discriminator(TINY)
    true, made = Residual.of(asked.real, critic, asked), Residual.of(drawn, critic, asked)
    same, right = critic_loss(critic, asked, true, true)
    assert abs(same.item() - np.log(2)) < 1e-5 and right == 0  # nothing to tell apart
    optimizer = torch.optim.Adam(critic.parameters(), lr=3e-3)
    for _ in range(20):
        optimizer.zero_grad()
        loss, right = critic_loss(critic, asked, true, made)
        loss.backward()
        optimizer.step()
    assert right > 0.9


def test_the_penalty_is_the_squared_slope():
    class Linear(torch.nn.Module):
        def forward(self, residual, coarse, mask, views):
            return [3 * residual, *(2 * view for view in views)], []

    asked = asked_of(OCTAVE, whole=True)
    alone = Residual(values=asked.real, views=[])
    assert abs(penalty(Linear(), asked, alone, 2).item() - 9) < 1e-4
    seen = Residual(values=asked.real, views=[torch.zeros(4, 3, 5, 7)])
    assert abs(penalty(Linear(), asked, seen, 2).item() - 9 - 4) < 1e-4


def test_the_drawing_network_pays_nothing_but_realism_for_the_truth():
    asked = asked_of(OCTAVE, whole=True)
    critic = Discriminator(TINY)
    true, off = (Residual.of(r, critic, asked) for r in (asked.real, asked.real + 1))
    loss = generator_loss(critic, asked, true, true, Weights(), OCTAVE.scale)
    assert abs(loss.item() - np.log(2)) < 1e-5
    assert generator_loss(critic, asked, true, off, Weights(), OCTAVE.scale).item() > 1.5
    assert squared_loss(network_of(OCTAVE), asked).item() > 0


def test_copies_are_counted_against_held_out_images():
    rng = np.random.default_rng(0)
    known, held_out = rng.standard_normal((2, 200, 8, 8)).astype(np.float32)
    fresh = rng.standard_normal((100, 8, 8)).astype(np.float32)
    assert copies(fresh, held_out, known) < 0.05
    half = np.concatenate([fresh[:50], known[:50] + 0.01 * fresh[:50]])
    assert abs(copies(half, held_out, known) - 0.5) < 0.05


CONFIG = """
data = "{data}"
state = "{state}"
stages = ["octave"]
[prior]
basis = 8
rank = 4
[sizes.octave]
channels = 8
depth = 1
[recipe]
batch_size = 4
max_steps = {steps}
save_every_s = 0
half = false
[recipe.octave]
squared_steps = 2
critic_warmup = 1
"""
KILLED = """
import os, signal, sys
from pathlib import Path
from radsmith.training import run, state
replace = state.write_atomically
def dying(path, data):
    if b'"step": 5' in data:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(path, data)
state.write_atomically = dying
run.run(Path(sys.argv[1]))
"""


def test_a_run_killed_while_saving_ends_where_it_would_have(tmp_path):
    make_data(tmp_path)
    ends = []
    for name in ("straight", "killed"):
        config = tmp_path / f"{name}.toml"
        config.write_text(CONFIG.format(data=tmp_path, state=tmp_path / name, steps=6))
        if name == "killed":
            done = subprocess.run([sys.executable, "-c", KILLED, str(config)], capture_output=True)
            assert done.returncode == -signal.SIGKILL, done.stderr
            assert json.loads((tmp_path / name / "run/octave.json").read_text())["step"] == 4
        run(config)
        folder = tmp_path / name / "run"
        state = json.loads((folder / "octave.json").read_text())
        ends.append(load_file(folder / state["tensors"]))
        log = [json.loads(line) for line in (folder / "octave.log.jsonl").read_text().splitlines()]
    assert [entry["phase"] for entry in log][1:] == ["squared error", *["adversarial"] * 4]
    assert 0 <= log[-1]["critic_right"] <= 1
    assert ends[0].keys() == ends[1].keys()
    assert any(name.startswith("critic_optimizer.exp_avg.") for name in ends[0])
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_both_rates_fall_from_where_the_discriminator_was_new(tmp_path, monkeypatch):
    make_data(tmp_path)
    config, seen, descend = tmp_path / "config.toml", [], loop._descend

    def watched(loss, network, optimizer):
        seen.append(optimizer.param_groups[0]["lr"])
        return descend(loss, network, optimizer)

    monkeypatch.setattr(loop, "_descend", watched)
    text = CONFIG.format(data=tmp_path, state=tmp_path / "state", steps=8)
    config.write_text(text.replace("warmup = 1", "warmup = 0") + "adversarial_decay_steps = 4\n")
    run(config)
    recipe = loop.Recipe(stage="octave")
    for full, rates in ((recipe.critic_rate, seen[::2]), (recipe.adversarial_rate, seen[1::2])):
        assert len(rates) == 6 and rates[0] == full, "two steps were by squared error"
        assert rates[2] == pytest.approx(0.525 * full)
        assert rates[4:] == pytest.approx([0.05 * full] * 2)


def test_a_recipe_with_an_unknown_word_is_refused(tmp_path):
    make_data(tmp_path)
    config = tmp_path / "config.toml"
    text = CONFIG.format(data=tmp_path, state=tmp_path / "state", steps=1)
    config.write_text(text + "swuared_steps = 3\n")
    with pytest.raises(InvalidInput, match="swuared_steps"):
        run(config)


def test_an_imagenet_network_judges_too_and_stays_as_it_was():
    asked, drawn = asked_of(DETAIL, whole=False), torch.zeros(4, 1, 128, 128)
    torch.manual_seed(0)
    critic = Discriminator(replace(TINY, pretrained=True))
    true, made = Residual.of(asked.real, critic, asked), Residual.of(drawn, critic, asked)
    assert [view.shape[2] for view in true.views] == [64, 32, 16, 8]
    assert all(abs(view.std() - 1) < 0.1 for view in true.views)  # its units
    assert not any(name.startswith("pretrained") for name in critic.state_dict())
    optimizer = torch.optim.Adam(critic.seen.parameters(), lr=3e-3)
    for _ in range(20):
        optimizer.zero_grad()
        loss, _ = critic_loss(critic, asked, true, made)
        loss.backward()
        optimizer.step()
    scores = [critic.seen(residual.views) for residual in (true, made)]
    assert all((real.mean() > fake.mean()).item() for real, fake in zip(*scores, strict=True))
    smooth = drawn.requires_grad_()
    loss = generator_loss(
        critic, asked, true, Residual.of(smooth, critic, asked), Weights(), DETAIL.scale
    )
    loss.backward()
    assert smooth.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in critic.pretrained.network.parameters())


def test_strangeness_is_of_how_much_texture_there_is_not_of_where():
    asked = asked_of(OCTAVE, whole=True)
    torch.manual_seed(0)
    critic = Discriminator(replace(TINY, pretrained=True))

    def seen(residual):
        return Residual.of(residual, critic, asked)

    true = seen(asked.real)
    moved, more, less = (seen(r) for r in (asked.real.roll(2, 3), 2 * asked.real, 0 * asked.real))
    off = [strangeness(made, true).item() for made in (true, moved, more, less)]
    assert off[0] == 0 < off[1] < min(off[2:]), off
