"""Pipelines as engines: tiny ones with random weights, made on the spot and saved as files."""

import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from radsmith.cli import cli
from radsmith.engines.choice import load_engine, load_facts
from radsmith.engines.engine import Ask, Given
from radsmith.errors import InvalidInput, NotFound
from radsmith.images.provenance import Settings
from radsmith.testing import LAWS, SEED_LAWS
from tests.engines.tiny_pipelines import (
    SIDE,
    pixel_only,
    stable_diffusion,
    stable_diffusion_3,
    stable_diffusion_xl,
)

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore"),  # those of torch, diffusers and transformers
]
CHEST = ("modality:x-ray", "body_part:chest")
FEW = Settings(num_steps=2, guidance_scale=3.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("diffusers", reason="the extra `diffusers` is not installed")
    path = tmp_path_factory.mktemp("pipelines") / "tiny"
    stable_diffusion().save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def engine(folder):
    return load_engine(f"diffusers:{folder}")


@pytest.fixture(scope="module")
def inpainter(folder):
    path = folder.parent / "inpaint"
    stable_diffusion(channels=9).save_pretrained(path)
    return load_engine(f"diffusers:{path}")


def scene(shape=(50, 70)):
    pixels = np.random.default_rng(0).random(shape, np.float32)
    mask = np.zeros(shape, bool)
    mask[10:25, 20:45] = True
    return pixels, mask


@pytest.mark.parametrize("law", [*LAWS, *SEED_LAWS], ids=lambda law: law.__name__)
def test_a_pipeline_keeps(law, engine):
    law(engine, Ask(concepts=CHEST, seed=1, settings=Settings(num_steps=1)))


def test_an_image_depends_on_its_seed_alone(engine):
    first = [engine.generate(Ask(concepts=CHEST, seed=seed, settings=FEW)) for seed in (1, 2)]
    again = [engine.generate(Ask(concepts=CHEST, seed=seed, settings=FEW)) for seed in (2, 1)]
    assert np.array_equal(first[0], again[1]) and np.array_equal(first[1], again[0])
    assert not np.array_equal(*first)
    assert first[0].shape == (SIDE, SIDE) and first[0].dtype == np.float32
    assert 0 <= first[0].min() < first[0].max() <= 1


def test_gray_is_the_luma_of_what_the_pipeline_draws(engine, folder):
    import diffusers
    import torch

    pipe = diffusers.StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    colour = pipe(
        "chest x-ray", num_inference_steps=2, guidance_scale=3.0, output_type="np",
        generator=torch.Generator().manual_seed(5),
    ).images[0]  # fmt: skip
    assert np.ptp(colour, axis=2).max() > 0.05
    wanted = colour @ np.array([0.299, 0.587, 0.114])
    assert np.allclose(
        engine.generate(Ask(concepts=CHEST, seed=5, settings=FEW)), wanted, atol=1e-5
    )


def test_words_and_absent_findings_reach_the_pipeline(engine):
    plain = engine.generate(Ask(concepts=CHEST, seed=1, settings=FEW))
    assert not np.array_equal(
        plain, engine.generate(Ask(concepts=("modality:ct",), seed=1, settings=FEW))
    )
    without = engine.generate(
        Ask(concepts=CHEST, seed=1, settings=FEW, absent=("finding:pneumothorax",))
    )
    assert not np.array_equal(plain, without)


def test_sizes_are_drawn_natively_and_fitted(engine):
    image = engine.generate(
        Ask(concepts=CHEST, seed=1, settings=Settings(num_steps=1, size=(100, 64)))
    )
    assert image.shape == (64, 100)
    with pytest.raises(InvalidInput, match="64-2048"):
        engine.generate(Ask(concepts=CHEST, seed=1, settings=Settings(size=(32, 64))))


@pytest.mark.parametrize("name", ["engine", "inpainter"])
def test_filling_keeps_known_pixels_and_ignores_the_hole(name, request):
    engine = request.getfixturevalue(name)
    pixels, mask = scene()
    found = engine.fill(
        Given(pixels=pixels, mask=mask), Ask(concepts=CHEST, seed=3, settings=FEW)
    ).pixels
    assert found.shape == pixels.shape and found.dtype == np.float32
    assert np.array_equal(found[~mask], pixels[~mask])
    assert not np.array_equal(found[mask], pixels[mask])
    other = np.where(mask, 1, pixels).astype(np.float32)
    assert np.array_equal(
        found,
        engine.fill(
            Given(pixels=other, mask=mask), Ask(concepts=CHEST, seed=3, settings=FEW)
        ).pixels,
    )
    begun = [
        engine.fill(
            Given(pixels=p, mask=mask, strength=0.4), Ask(concepts=CHEST, seed=3, settings=FEW)
        ).pixels
        for p in (pixels, other)
    ]
    assert not np.array_equal(*begun)


@pytest.mark.parametrize("name", ["engine", "inpainter"])
@pytest.mark.parametrize("strength", [0.05, 0.5, 1.0])
def test_a_whole_image_is_varied_or_drawn_anew(name, strength, request):
    engine = request.getfixturevalue(name)
    pixels, mask = scene()[0], np.ones((50, 70), bool)
    found = engine.fill(
        Given(pixels=pixels, mask=mask, strength=strength),
        Ask(concepts=CHEST, seed=3, settings=FEW),
    ).pixels
    assert found.shape == pixels.shape and np.ptp(found) > 0
    other = engine.fill(
        Given(pixels=1 - pixels, mask=mask, strength=strength),
        Ask(concepts=CHEST, seed=3, settings=FEW),
    ).pixels
    assert np.array_equal(found, other) == (strength == 1)


@pytest.mark.parametrize("make", [stable_diffusion_xl, stable_diffusion_3])
def test_newer_pipelines_draw_fill_and_vary(make, folder, tmp_path):
    make().save_pretrained(tmp_path / "newer")
    engine = load_engine(f"diffusers:{tmp_path / 'newer'}")
    image = engine.generate(
        Ask(concepts=CHEST, seed=1, settings=FEW, absent=("finding:pneumothorax",))
    )
    assert image.shape == (SIDE, SIDE) and np.ptp(image) > 0
    assert not np.array_equal(image, engine.generate(Ask(concepts=CHEST, seed=1, settings=FEW)))
    assert engine.generate(
        Ask(concepts=CHEST, seed=1, settings=Settings(num_steps=1, size=(96, 64)))
    ).shape == (64, 96)
    pixels, mask = scene()
    found = engine.fill(
        Given(pixels=pixels, mask=mask), Ask(concepts=CHEST, seed=3, settings=FEW)
    ).pixels
    assert np.array_equal(found[~mask], pixels[~mask])
    assert not np.array_equal(found[mask], pixels[mask])
    whole = Given(pixels=pixels, mask=np.ones_like(mask), strength=0.5)
    assert (
        engine.fill(whole, Ask(concepts=CHEST, seed=3, settings=FEW)).pixels.shape == pixels.shape
    )


def test_facts_tell_files_and_not_training(engine, folder, tmp_path):
    facts = load_facts(f"diffusers:{folder}")
    assert facts == engine.facts
    assert (facts.name, facts.engine, facts.images) == ("tiny", "diffusers", None)
    pipe = stable_diffusion()
    pipe.unet.conv_in.bias.data += 1
    pipe.save_pretrained(tmp_path / "tiny")
    assert load_facts(f"diffusers:{tmp_path / 'tiny'}").digest != facts.digest


def test_pipelines_that_cannot_are_told_so(folder, tmp_path):
    engine = load_engine(f"diffusers:{pixel_only(tmp_path / 'plain')}")
    with pytest.raises(InvalidInput, match="DDPMPipeline has no text-to-image"):
        engine.generate(Ask(concepts=CHEST, seed=1, settings=FEW))
    pixels, mask = scene()
    with pytest.raises(InvalidInput, match="DDPMPipeline has no inpainting"):
        engine.fill(Given(pixels=pixels, mask=mask), Ask(concepts=CHEST, seed=1, settings=FEW))


def test_what_is_no_pipeline_is_named():
    with pytest.raises(NotFound, match="no pipeline at"):
        load_facts("diffusers:./nowhere/at/all")


def test_folders_that_are_none(tmp_path):
    with pytest.raises(NotFound, match="expected model_index"):
        load_facts(f"diffusers:{tmp_path}")
    index = tmp_path / "model_index.json"
    for text in ("[", "[]", '{"_class_name": ["own", "Pipe"], "unet": ["own", "Net"]}'):
        index.write_text(text)
        with pytest.raises(InvalidInput, match="pipeline"):
            load_facts(f"diffusers:{tmp_path}")
    index.write_text(json.dumps({"_class_name": "StableDiffusionPipeline", "unet": ["a", "b"]}))
    (tmp_path / "diffusion_pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(InvalidInput, match=r"no \.safetensors weights"):
        load_facts(f"diffusers:{tmp_path}")


def test_a_damaged_pipeline_is_an_error_of_ours(folder, tmp_path):
    import shutil

    shutil.copytree(folder, tmp_path / "broken")
    (tmp_path / "broken" / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"xx")
    with pytest.raises(InvalidInput, match="cannot be loaded"):
        load_engine(f"diffusers:{tmp_path / 'broken'}")


def test_the_command_makes_the_same_image_in_workers(folder, engine, tmp_path):
    words = ["generate", "chest x-ray", "--engine", f"diffusers:{folder}", "-n", "2", "--steps"]
    words += ["2", "--guidance", "3", "--format", "npy", "--no-sheet"]
    made = CliRunner().invoke(cli, [*words, "-o", str(tmp_path / "one")])
    assert made.exit_code == 0, made.output
    assert "never learned" not in made.output
    command = [sys.executable, "-c", "from radsmith.cli import main; main()", *words]
    subprocess.run([*command, "--workers", "2", "-o", str(tmp_path / "two")], check=True)
    for name in ("chest-x-ray-0.npy", "chest-x-ray-1.npy"):
        one, two = (np.load(tmp_path / where / name) for where in ("one", "two"))
        assert np.allclose(one, two, rtol=0, atol=1e-5)  # this process may have other threads
    record = json.loads((tmp_path / "one" / "chest-x-ray-0.json").read_text())
    assert (record["engine"], record["model_digest"]) == ("diffusers", engine.facts.digest)
