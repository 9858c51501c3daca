"""Erase and rebuild: figures that a perfect and a useless engine must get."""

import numpy as np
import pytest

from radsmith.engines.engine import Completion
from radsmith.errors import InvalidInput
from radsmith.evaluation.baselines import load_baselines
from radsmith.evaluation.features import pixel_space
from radsmith.evaluation.real_set import RealSet
from radsmith.evaluation.rebuild import RebuildOptions, edge_step, edges_elsewhere, rebuild
from radsmith.evaluation.rebuild_page import write_rebuilt
from radsmith.images.stored import Stored

KNEE = ("modality:x-ray", "body_part:knee")


def real_set(n=4):
    y, x = np.mgrid[:60, :50] / 50
    images = [(np.sin(6 * x + i) * np.cos(5 * y) + 1) / 2 for i in range(n)]
    return RealSet(images=Stored(images), concepts=[KNEE] * n, patients=[f"p{i}" for i in range(n)])


class Oracle:
    """Knows the images and puts back what was there, or a flat gray where `wrong`."""

    def __init__(self, real, wrong=False):
        self.real, self.wrong = real, wrong

    def fill(self, given, ask):
        assert not (given.pixels[given.mask]).any(), "erased pixels must not be shown"
        for image in self.real.images:
            if np.allclose(image[~given.mask], given.pixels[~given.mask]):
                pixels = np.where(given.mask, 0.5, image) if self.wrong else image
                return Completion(pixels=pixels, concepts=ask.concepts)
        raise AssertionError("an unknown image")


def test_a_perfect_engine_is_nearer_than_any_baseline(tmp_path):
    real = real_set()
    options = RebuildOptions(candidates=2)
    report, images = rebuild(Oracle(real), real, load_baselines(), {"pixels": pixel_space}, options)
    assert report["n"] == 4 and report["kinds"]["all"]["engine"]["rms"] == 0
    assert report["edge"]["engine"]["effect_size"]["mean"] == 0
    assert set(report["against"]) == {"telea", "biharmonic"}
    assert all(found["rms"]["high"] < 0 for found in report["against"].values())
    assert all(found["pixels"]["high"] < 0 for found in report["against"].values())
    page = write_rebuilt(tmp_path, report, images)
    assert page.is_file() and (tmp_path / "rebuild.png").is_file()
    assert "Engine minus baseline" in page.read_text()


def test_a_flat_gray_patch_shows_its_seam():
    real = real_set()
    report, _ = rebuild(
        Oracle(real, wrong=True), real, load_baselines(), {}, RebuildOptions(candidates=1)
    )
    assert report["edge"]["engine"]["effect_size"]["low"] > 1
    assert report["edge"]["engine"]["effect_size_random"]["low"] > 1
    assert report["against"]["biharmonic"]["rms"]["low"] > 0


def test_edges_elsewhere_are_those_of_the_image_itself():
    rng = np.random.default_rng(0)
    rough = rng.random((80, 60)).astype(np.float32)
    mask = np.zeros((80, 60), bool)
    mask[20:50, 10:40] = True
    found = edges_elsewhere(rough, mask, rng)
    assert abs(found - edge_step(rough, mask)) < 0.03
    assert edges_elsewhere(np.full_like(rough, 0.3), mask, rng) == 0


def test_steps_are_counted_across_the_edge_alone():
    image, mask = np.zeros((8, 8), np.float32), np.zeros((8, 8), np.bool_)
    mask[2:5, 3:6] = True
    image[0, 0] = 1
    assert edge_step(image, mask) == 0
    assert edge_step(np.where(mask, 0.5, image), mask) == 0.5


def test_without_radiographs_it_says_so():
    real = RealSet(
        images=Stored([np.zeros((9, 9))]),
        concepts=[("modality:ct", "body_part:head")],
        patients=["a"],
    )
    with pytest.raises(InvalidInput, match="no radiograph"):
        rebuild(Oracle(real), real, load_baselines(), {}, RebuildOptions())
