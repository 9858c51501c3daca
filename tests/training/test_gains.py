"""Gains bring what is drawn to the spectrum of real images, no further than a few decibels."""

import shutil

import numpy as np
import pytest

from radsmith.engines.default.stages import Gain
from radsmith.engines.model_files import default_folder, load_files
from radsmith.evaluation.noise import BANDS, FIGURES, noise_figures
from radsmith.training.export import add_gains
from radsmith.training.gains import MOST, amplitudes

pytestmark = pytest.mark.torch


def test_a_gain_of_one_changes_nothing():
    residual = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    lit = np.zeros((64, 64), np.float32)
    assert Gain(coarse=1, fine=1).apply(residual, lit) == pytest.approx(residual, abs=1e-6)
    assert Gain(coarse=2, fine=2).apply(residual, lit) == pytest.approx(2 * residual, abs=1e-5)


def test_air_is_never_made_louder():
    residual = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    under = np.full((64, 64), -1, np.float32)
    under[:, 32:] = 0
    found = Gain(coarse=1.5, fine=1.5).apply(residual, under)
    assert np.array_equal(found[:, :32], residual[:, :32])
    assert found[:, 32:] == pytest.approx(1.5 * residual[:, 32:], abs=1e-5)
    quieter = Gain(coarse=0.5, fine=0.5).apply(residual, under)
    assert quieter == pytest.approx(0.5 * residual, abs=1e-5)


@pytest.mark.parametrize(("which", "other"), [(-1, -2), (-2, -1)])
def test_each_gain_is_for_its_own_half(which, other):
    noise = 0.01 * np.random.default_rng(1).standard_normal((256, 256)).astype(np.float32)
    gain = Gain(coarse=1.6 if which == -2 else 1, fine=1.6 if which == -1 else 1)
    before, after = (
        noise_figures(0.5 + noise),
        noise_figures(0.5 + gain.apply(noise, np.zeros_like(noise))),
    )
    change = dict(zip(FIGURES, after - before, strict=True))
    assert change[BANDS[which]] > 2 * max(change[BANDS[other]], 0)
    assert change[BANDS[which]] > 1.5


def test_decibels_become_factors_of_amplitude_within_bounds():
    most = 10 ** (MOST / 20)
    found = amplitudes(np.array([[6.0206, -3], [0, -2], [0, -40], [20, -40]]))
    assert found[0] == pytest.approx(10 ** (3.0103 / 20), abs=1e-3)
    assert found[1] == pytest.approx(1 / most, abs=1e-3)
    assert amplitudes(np.full((3, 2), 20.0)) == pytest.approx([most] * 2, abs=1e-3)


def test_gains_are_part_of_the_model_and_of_its_digest(tmp_path):
    shutil.copytree(default_folder(), tmp_path / "model")
    before = load_files(tmp_path / "model")
    style = next(c for c in before.config["table"] if c.startswith("style:"))
    add_gains(tmp_path / "model", {"detail": {style: [1.25, 0.5]}})
    after = load_files(tmp_path / "model")
    row = after.arrays["gains_detail"][after.config["table"][style] - 1]
    assert row.tolist() == [1.25, 0.5]
    assert after.networks == before.networks
    assert after.config["digest"] != before.config["digest"]
    assert list(after.config) == list(before.config)
