"""What is drawn is as noisy as what is around it, and no noisier."""

import numpy as np
import pytest

from radsmith.editing.grain import _bands, grained
from radsmith.editing.operations import Source, Task, inpaint
from radsmith.engines.choice import load_engine
from radsmith.images.image import Image, Window
from radsmith.images.provenance import Request, Settings

SHAPE = (150, 190)
HOLE = np.zeros(SHAPE, bool)
HOLE[45:105, 55:135] = True
INNER = np.zeros(SHAPE, bool)
INNER[50:100, 60:130] = True
Y, X = np.mgrid[: SHAPE[0], : SHAPE[1]] / 190
BODY = (0.45 + 0.25 * np.sin(6 * X) * np.cos(5 * Y)).astype(np.float32)


def noise(width, seed=0):
    """Noise of deviation 1 whose grains are `width` pixels wide."""
    white = np.random.default_rng(seed).standard_normal(SHAPE)
    kernel = np.ones(width) / width
    for axis in (0, 1):
        white = np.apply_along_axis(np.convolve, axis, white, kernel, "same")
    return (white / white.std()).astype(np.float32)


CT = BODY + 0.01 * noise(1)
BLURRED_CT = BODY + 0.02 * noise(3)
SPECKLE = BODY * (1 + 0.15 * noise(3))


@pytest.mark.parametrize("image", [CT, BLURRED_CT, SPECKLE])
def test_each_band_is_as_strong_in_the_hole_as_around_it(image):
    found = grained(image, BODY[HOLE], HOLE, seed=3)
    filled = image.copy()
    filled[HOLE] = found.values
    for inside, outside in zip(_bands(filled), _bands(image), strict=True):
        assert inside[INNER].std() == pytest.approx(outside[~HOLE].std(), rel=0.2)
    assert found.added > 0.005
    assert np.array_equal(found.values, grained(image, BODY[HOLE], HOLE, seed=3).values)
    assert not np.array_equal(found.values, grained(image, BODY[HOLE], HOLE, seed=4).values)


def test_speckle_grows_with_brightness_and_black_stays_black():
    body = np.where(X < 0.5, 0, 0.6).astype(np.float32)
    image = body * (1 + 0.1 * noise(1))
    values = grained(image, body[HOLE], HOLE, seed=0).values
    filled = image.copy()
    filled[HOLE] = values
    dark, bright = INNER & (X < 0.45), INNER & (X > 0.55)
    assert filled[dark].max() < 0.02 and filled[bright].std() == pytest.approx(0.06, rel=0.25)


@pytest.mark.parametrize(
    "image", [BODY, np.round(BODY * 255) / 255, BODY + 0.001 * noise(1)], ids=str
)
def test_where_the_neighbourhood_is_smooth_nothing_is_added(image):
    found = grained(image.astype(np.float32), BODY[HOLE], HOLE, seed=0)
    assert found.added == 0 and np.array_equal(found.values, BODY[HOLE])


def test_what_is_noisy_already_gets_no_more():
    assert grained(CT, CT[HOLE], HOLE, seed=1).added < 0.004
    assert grained(CT, (BODY + 0.02 * noise(1, 5))[HOLE], HOLE, seed=1).added == 0


@pytest.mark.parametrize("mask", [np.ones(SHAPE, bool), np.zeros(SHAPE, bool)])
def test_without_a_hole_or_a_neighbourhood_nothing_is_added(mask):
    found = grained(CT, CT[mask], mask, seed=0)
    assert found.added == 0 and np.array_equal(found.values, CT[mask])


@pytest.mark.parametrize("kind", ["ct", "ultrasound"])
def test_an_edit_has_the_grain_of_its_image_and_says_so(kind):
    if kind == "ct":  # noise of 8 HU in a soft-tissue window
        units = -160 + 400 * BODY + 8 * noise(1)
        pixels, window = np.rint(units).astype(np.int16), Window(center=40, width=400)
        image = Image(pixels=pixels, unit="stored value", window=window)
        source = Source(image=image, bits=16)
    else:
        pixels = np.rint(np.clip(SPECKLE, 0, 1) * 255).astype(np.uint8)
        source = Source(image=Image(pixels=pixels, unit="stored value"))
    request = Request(prompt="", seed=2, settings=Settings(num_steps=1))
    task = Task(engine=load_engine(), planned=None, request=request, created="2026-01-01")
    made = inpaint(source, HOLE, task)
    smooth = inpaint(source, HOLE, Task(**vars(task) | {"grain": False}))
    assert np.array_equal(made.image.pixels[~HOLE], pixels[~HOLE])
    fine, around, without = (
        _bands(p.astype(np.float32))[0] for p in (made.image.pixels, pixels, smooth.image.pixels)
    )
    wanted = around[~HOLE].std()
    assert fine[INNER].std() == pytest.approx(wanted, rel=0.3)
    assert without[INNER].std() < 0.6 * wanted
    assert "grain of 0." in made.record.edit and "grain" not in smooth.record.edit
