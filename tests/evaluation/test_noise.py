"""Spectra and flat places: figures with a meaning, on images whose noise is known."""

import numpy as np
import pytest
from scipy import ndimage

from radsmith.errors import InvalidInput
from radsmith.evaluation.noise import BANDS, FIGURES, compare_noise, most_apart, noise_figures
from radsmith.images.blur import blurred


def figures(image):
    return dict(zip(FIGURES, noise_figures(image), strict=True))


def noisy(seed, spread=0.02, smooth=0.0, level=0.5):
    noise = np.random.default_rng(seed).standard_normal((256, 192))
    if smooth:
        noise = ndimage.gaussian_filter(noise, smooth)
        noise /= noise.std()
    return (level + spread * noise).astype(np.float32)


def test_white_noise_has_its_own_level_in_every_band():
    found = figures(noisy(0, 0.02))
    for band in BANDS:
        assert found[band] == pytest.approx(20 * np.log10(0.02), abs=1.5)
    assert found["slope"] == pytest.approx(0, abs=0.15)
    assert found["flat tails"] == pytest.approx(0, abs=0.3)


def test_twice_the_noise_is_six_decibels():
    one, two = figures(noisy(1, 0.01)), figures(noisy(1, 0.02))
    assert two[BANDS[-1]] - one[BANDS[-1]] == pytest.approx(6.02, abs=0.01)
    assert two["flat scatter"] == pytest.approx(2 * one["flat scatter"], rel=0.02)


def test_grain_is_told_from_white_noise_and_speckle_from_noise():
    white, grain = figures(noisy(2)), figures(noisy(2, smooth=0.8))
    assert grain["flat grain"] > white["flat grain"] + 0.2
    speckle = [
        figures(level * (1 + 0.1 * (noisy(3, 1.0, level=0)))) for level in (0.2, 0.4)
    ]  # as strong as what it lies on
    assert speckle[0]["flat contrast"] == pytest.approx(speckle[1]["flat contrast"], rel=0.05)
    added = [figures(noisy(3, 0.02, level=level)) for level in (0.2, 0.4)]
    assert added[0]["flat contrast"] == pytest.approx(2 * added[1]["flat contrast"], rel=0.05)


def test_a_fractal_has_its_slope():
    rng = np.random.default_rng(4)
    frequency = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256)[None])
    frequency[0, 0] = 1
    spectrum = np.fft.fft2(rng.standard_normal((256, 256))) / frequency**1.5
    image = np.fft.ifft2(spectrum).real
    image = 0.5 + 0.1 * image / image.std()
    assert figures(image)["slope"] == pytest.approx(3, abs=0.3)


def test_two_sets_alike_cannot_be_told_and_two_unlike_can():
    sets = [[noisy(seed + 20 * k) for seed in range(20)] for k in range(3)]
    same = compare_noise(*sets)
    assert all(0.2 < figure["auroc"] < 0.8 for figure in same.values())
    softer = compare_noise(sets[0], sets[1], [ndimage.gaussian_filter(i, 1) for i in sets[2]])
    assert softer[BANDS[-1]]["auroc"] == 0
    assert 0.2 < softer[BANDS[-1]]["auroc_real"] < 0.8
    assert abs(softer[most_apart(softer)]["auroc"] - 0.5) == 0.5


def test_black_and_narrow_images_are_left_out_and_bad_ones_refused():
    black = figures(np.zeros((64, 64), np.float32))
    assert np.isnan(black["flat scatter"])
    narrow = [np.full((256, 20), 0.5, np.float32)] * 3
    assert compare_noise(narrow, narrow, narrow) == {}
    with pytest.raises(InvalidInput):
        noise_figures(np.full((64, 64), np.nan))
    with pytest.raises(InvalidInput):
        noise_figures(np.zeros((16, 300)))


def test_the_blur_is_that_of_scipy():
    image = noisy(5)
    expected = ndimage.gaussian_filter(image, 0.75, mode="nearest")
    assert blurred(image, 0.75) == pytest.approx(expected, abs=2e-4)
