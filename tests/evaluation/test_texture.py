"""The choosing space on textures made up here: what it must tell apart, and what it must not."""

import numpy as np
import pytest

from radsmith.errors import InvalidInput
from radsmith.evaluation.texture import (
    FARTHEST,
    SIDES,
    Standard,
    blocks,
    choosing_figure,
    describe,
    texture_distance,
    texture_space,
)
from radsmith.images.letterbox import letterboxed
from radsmith.images.resize import enlarge, shrink

FREQUENCY = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.rfftfreq(256)[None])


def scene(rng):
    """Clouds with bright lines through them: structure at every octave."""
    spectrum = np.fft.rfft2(rng.standard_normal((256, 256))) / (FREQUENCY + 1 / 256) ** 1.5
    clouds = np.fft.irfft2(spectrum, (256, 256))
    image = 0.4 + 0.12 * clouds / clouds.std()
    rows, columns = np.mgrid[:256, :256]
    for _ in range(6):
        angle, offset = rng.uniform(0, np.pi), rng.uniform(60, 200)
        away = (rows - 128) * np.sin(angle) + (columns - 128) * np.cos(angle) - offset + 128
        image += 0.25 * np.exp(-((away / 1.5) ** 2))
    return np.round(np.clip(image, 0, 1) * 255).astype(np.float32) / 255


def blurred(image, sigma):
    transfer = np.exp(-2 * (np.pi * sigma * FREQUENCY) ** 2)
    return np.fft.irfft2(np.fft.rfft2(image) * transfer, image.shape).astype(np.float32)


@pytest.fixture(scope="module")
def scenes():
    rng = np.random.default_rng(0)
    return [scene(rng) for _ in range(60)]


@pytest.fixture(scope="module")
def real(scenes):
    """Features of two halves, and their spreads."""
    features = texture_space(scenes)
    return features[:30], features[30:], Standard.of(features)


def test_two_halves_of_real_images_are_near(real):
    one, two, standard = real
    floor = texture_distance(one, two, standard)
    assert floor.low < 0 < floor.high and abs(floor.estimate) < 0.2
    assert choosing_figure(one, two, standard) < 0.2


@pytest.mark.parametrize(
    "harm",
    [
        lambda image, rng: blurred(image, 0.7),
        lambda image, rng: blurred(image, 2),
        lambda image, rng: image + rng.normal(0, 0.02, image.shape),
        lambda image, rng: image + 0.5 * (image - blurred(image, 1)),
    ],
    ids=["slightly smooth", "smooth", "grain", "oversharp"],
)
def test_what_is_not_like_real_images_is_far(scenes, real, harm):
    one, _, standard = real
    rng = np.random.default_rng(1)
    harmed = texture_space([np.clip(harm(image, rng), 0, 1) for image in scenes[30:]])
    assert texture_distance(one, harmed, standard).low > 0.5
    assert choosing_figure(one, harmed, standard) > 0.5


def test_more_blur_is_farther(scenes, real):
    one, _, standard = real
    figures = [
        choosing_figure(one, texture_space([blurred(x, s) for x in scenes[30:]]), standard)
        for s in (0.3, 0.6, 1, 2, 4)
    ]
    assert figures == sorted(figures)


def test_noise_of_the_lost_energy_does_not_stand_in_for_structure(scenes, real):
    one, _, standard = real
    rng = np.random.default_rng(2)
    filled = []
    for image in scenes[30:]:
        smooth = blurred(image, 1.5)
        noise = rng.standard_normal(image.shape)
        noise -= blurred(noise, 1.5)
        filled.append(np.clip(smooth + noise * (image - smooth).std() / noise.std(), 0, 1))
    assert texture_distance(one, texture_space(filled), standard).low > 1


def test_an_octave_that_is_lost_is_named(scenes, real):
    one, two, standard = real
    coarse = texture_space([enlarge(shrink(image, 4), 4) for image in scenes[30:]])
    for parts, least, most in ((("coarse", "16", "32"), 0, 0.3), (("128", "256"), 2, 20)):
        floor, figure = (choosing_figure(one, x, standard, parts) for x in (two, coarse))
        assert least <= figure - floor <= most, parts


def test_structure_fainter_than_a_gray_level_is_not_seen(scenes):
    image = np.zeros((256, 256), np.float32)
    speck = image + np.random.default_rng(3).uniform(0, 0.2 / 255, image.shape)
    assert np.abs(describe(speck.astype(np.float32)) - describe(image)).max() < 0.05


def test_content_and_its_letterbox_are_one_image(scenes):
    content = scenes[0][:, 30:200]
    assert np.array_equal(describe(content), describe(letterboxed(content, 256)))


def test_the_blocks_are_the_descriptor(scenes):
    spans = list(blocks().values())
    assert spans[0].start == 0 and spans[-1].stop == len(describe(scenes[0]))
    assert [a.stop for a in spans[:-1]] == [b.start for b in spans[1:]]
    assert list(blocks()) == ["coarse", *map(str, SIDES), "relations"]


def test_coordinates_are_cut_off_and_never_divided_by_nothing():
    standard = Standard.of(np.zeros((3, 4)))
    assert np.isfinite(standard.spread).all() and standard.spread.min() > 0
    assert np.array_equal(standard.apply(np.full((1, 4), 1e9)), np.full((1, 4), FARTHEST))


def test_bad_input_is_said():
    broken = np.full((256, 256), np.nan)
    for image in (broken, broken[:20]):
        with pytest.raises(InvalidInput, match="finite"):
            describe(image)
    with pytest.raises(InvalidInput, match="2 images"):
        Standard.of(np.zeros((1, 4)))
    with pytest.raises(InvalidInput, match="no part"):
        texture_distance(
            np.zeros((4, 759)), np.zeros((4, 759)), Standard.of(np.ones((4, 759))), "7"
        )
