"""The laws that any engine must keep, for the tests of packages that bring one.

    @pytest.mark.parametrize("law", radsmith.testing.LAWS, ids=lambda law: law.__name__)
    def test_my_engine(law):
        law(engine, Ask(concepts=("modality:x-ray", "body_part:knee")))

`SEED_LAWS` are for engines that take a seed, as all but remote ones do. Each law draws a few
images: give an ask of few steps. Touches nothing; a law that is broken raises AssertionError.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from radsmith.engines.engine import Ask, Completion, Engine, Given
from radsmith.errors import InvalidInput

Law = Callable[[Engine, Ask], None]
_SHAPE = (72, 90)
_WHITE = np.float32(0.9)


def the_facts_name_the_model(engine: Engine, ask: Ask) -> None:
    """Records need a name, a digest and a kind; sizes need the least and the most of a side."""
    facts = engine.facts
    assert facts.name, "facts.name is empty"
    assert facts.digest, "facts.digest is empty: records tell models apart by it"
    assert facts.engine, "facts.engine is empty: give the kind of engine"
    assert 1 <= facts.sides[0] <= facts.sides[1], f"facts.sides {facts.sides} are not in order"
    assert (facts.images is None) == (facts.together is None), (
        "facts.images and facts.together are known both or neither"
    )


def an_image_has_the_size_asked(engine: Engine, ask: Ask) -> None:
    """(height, width) of the (width, height) asked, whatever the model's own grid."""
    least, most = engine.facts.sides
    side = min(most, max(least, 100))
    for size in {(side, max(least, side - 7)), (least, least)}:
        pixels = engine.generate(_sized(ask, size))
        assert pixels.shape == size[::-1], f"asked {size}, got the shape {pixels.shape}"
        _check_pixels(pixels)


def an_image_has_a_size_of_its_own(engine: Engine, ask: Ask) -> None:
    """Where no size is asked, the image has one within the engine's sides."""
    pixels = engine.generate(replace(ask, settings=replace(ask.settings, size=None)))
    _check_pixels(pixels)
    assert max(pixels.shape) <= engine.facts.sides[1], f"{pixels.shape} is beyond facts.sides"


def a_size_beyond_its_sides_is_refused(engine: Engine, ask: Ask) -> None:
    """With InvalidInput, before anything is drawn."""
    least, most = engine.facts.sides
    for size in ((most + 1, most), (least, least - 1)):
        try:
            engine.generate(_sized(ask, size))
        except InvalidInput:
            continue
        raise AssertionError(f"{size} lies outside facts.sides {(least, most)} and was drawn")


def known_pixels_stay(engine: Engine, ask: Ask) -> None:
    """An image is completed at its own size, known pixels as given, the given ones untouched."""
    for shape in (_SHAPE, (31, 64)):
        pixels, mask = _scene(shape)
        before = pixels.copy()
        completion = engine.fill(Given(pixels=pixels, mask=mask), ask)
        assert isinstance(completion, Completion), "fill gives a Completion"
        _check_pixels(completion.pixels)
        assert completion.pixels.shape == shape, f"{completion.pixels.shape} instead of {shape}"
        assert np.array_equal(pixels, before), "fill wrote into the pixels it was given"
        assert np.array_equal(completion.pixels[~mask], pixels[~mask]), "known pixels changed"


def nothing_to_draw_changes_nothing(engine: Engine, ask: Ask) -> None:
    """An empty mask gives the image back."""
    pixels, mask = _scene(_SHAPE)
    completion = engine.fill(Given(pixels=pixels, mask=np.zeros_like(mask)), ask)
    assert np.array_equal(completion.pixels, pixels), "an empty mask changed the image"


def a_whole_image_is_drawn_at_its_size(engine: Engine, ask: Ask) -> None:
    """A mask of all pixels is an image of that size, whatever size the settings name."""
    mask = np.ones(_SHAPE, np.bool_)
    given = Given(pixels=np.zeros(_SHAPE, np.float32), mask=mask)
    side = engine.facts.sides[0]
    completion = engine.fill(given, _sized(ask, (side, side)))
    assert completion.pixels.shape == _SHAPE, f"{completion.pixels.shape} instead of {_SHAPE}"
    _check_pixels(completion.pixels)


def a_seed_gives_one_image(engine: Engine, ask: Ask) -> None:
    """The same ask gives the same pixels, whatever was drawn in between; another seed, others."""
    one = engine.generate(ask)
    other = engine.generate(replace(ask, seed=ask.seed + 1))
    assert np.array_equal(engine.generate(ask), one), "the same seed gave another image"
    assert not np.array_equal(one, other), "another seed gave the same image"


def a_seed_gives_one_completion(engine: Engine, ask: Ask) -> None:
    """The same for completing, where what stands in the hole must not matter either."""
    pixels, mask = _scene(_SHAPE)
    hidden = np.where(mask, _WHITE, pixels)
    one, same = (engine.fill(Given(pixels=p, mask=mask), ask).pixels for p in (pixels, hidden))
    assert np.array_equal(one, same), "erased pixels were seen, or the seed was not used"


LAWS: Final[tuple[Law, ...]] = (
    the_facts_name_the_model,
    an_image_has_the_size_asked,
    an_image_has_a_size_of_its_own,
    a_size_beyond_its_sides_is_refused,
    known_pixels_stay,
    nothing_to_draw_changes_nothing,
    a_whole_image_is_drawn_at_its_size,
)
SEED_LAWS: Final[tuple[Law, ...]] = (a_seed_gives_one_image, a_seed_gives_one_completion)


def _sized(ask: Ask, size: tuple[int, int]) -> Ask:
    return replace(ask, settings=replace(ask.settings, size=size))


def _scene(shape: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A gradient with a hole in it."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32) / np.float32(max(shape))
    mask = np.zeros(shape, np.bool_)
    mask[shape[0] // 4 : shape[0] // 2, shape[1] // 3 : shape[1] // 2] = True
    return ((x + y) / 2).astype(np.float32), mask


def _check_pixels(pixels: NDArray[Any]) -> None:
    assert pixels.ndim == 2, f"an image is (height, width), got {pixels.shape}"
    assert pixels.dtype == np.float32, f"pixels are float32, got {pixels.dtype}"
    assert np.isfinite(pixels).all(), "pixels are not finite"
    assert pixels.min() >= 0, f"pixels below 0: {pixels.min()}"
    assert pixels.max() <= 1, f"pixels above 1: {pixels.max()}"
