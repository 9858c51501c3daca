"""Pipelines as engines: tiny ones with random weights, made on the spot and saved as files."""

import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from radsmith.adapters.engines import load_engine, load_facts
from radsmith.cli import cli
from radsmith.engine import Given
from radsmith.errors import InvalidInput, NotFound
from radsmith.generation import Settings

pytestmark = pytest.mark.filterwarnings("ignore")  # those of torch, diffusers and transformers
CHEST = ("modality:x-ray", "body_part:chest")
FEW = Settings(num_steps=2, guidance_scale=3.0)
SIDE = 32


def tokenizer():
    from transformers import CLIPTokenizer

    letters = [chr(c) for c in range(33, 127)]
    words = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    vocab = {word: i for i, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocab, merges=[], model_max_length=77)


def stable_diffusion(channels=4):
    import diffusers
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    words = tokenizer()
    text = CLIPTextConfig(
        vocab_size=len(words), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=77, bos_token_id=len(words) - 2,
        eos_token_id=len(words) - 1, pad_token_id=len(words) - 1,
    )  # fmt: skip
    unet = diffusers.UNet2DConditionModel(
        sample_size=SIDE // 2, in_channels=channels, out_channels=4, layers_per_block=1,
        block_out_channels=(8, 16), norm_num_groups=4, cross_attention_dim=16,
        attention_head_dim=4, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    vae = diffusers.AutoencoderKL(
        block_out_channels=(8, 8), norm_num_groups=4, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    )  # fmt: skip
    kind = (
        diffusers.StableDiffusionInpaintPipeline
        if channels == 9
        else (diffusers.StableDiffusionPipeline)
    )
    return kind(
        vae=vae, text_encoder=CLIPTextModel(text), tokenizer=words, unet=unet,
        scheduler=diffusers.DDIMScheduler(num_train_timesteps=100), safety_checker=None,
        feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip


def text_config(words):
    from transformers import CLIPTextConfig

    return CLIPTextConfig(
        vocab_size=len(words), hidden_size=16, intermediate_size=16, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=77, bos_token_id=len(words) - 2,
        eos_token_id=len(words) - 1, pad_token_id=len(words) - 1, projection_dim=16,
    )  # fmt: skip


def autoencoder(channels):
    import diffusers

    return diffusers.AutoencoderKL(
        block_out_channels=(8, 8), norm_num_groups=4, latent_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        scaling_factor=1.0, shift_factor=0.0,
    )  # fmt: skip


def stable_diffusion_xl():
    import diffusers
    import torch
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(0)
    words = tokenizer()
    unet = diffusers.UNet2DConditionModel(
        sample_size=SIDE // 2, in_channels=4, out_channels=4, layers_per_block=1,
        block_out_channels=(8, 16), norm_num_groups=4, cross_attention_dim=32,
        attention_head_dim=(2, 4), down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), use_linear_projection=True,
        addition_embed_type="text_time", addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 1), projection_class_embeddings_input_dim=16 + 6 * 8,
    )  # fmt: skip
    return diffusers.StableDiffusionXLPipeline(
        vae=autoencoder(4), text_encoder=CLIPTextModel(text_config(words)), tokenizer=words,
        text_encoder_2=CLIPTextModelWithProjection(text_config(words)), tokenizer_2=words,
        unet=unet, scheduler=diffusers.EulerDiscreteScheduler(num_train_timesteps=100),
        add_watermarker=False,
    )  # fmt: skip


def stable_diffusion_3():
    import diffusers
    import torch
    from transformers import CLIPTextModelWithProjection

    torch.manual_seed(0)
    words = tokenizer()
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=SIDE // 2, patch_size=2, in_channels=16, out_channels=16, num_layers=1,
        attention_head_dim=8, num_attention_heads=2, joint_attention_dim=32,
        caption_projection_dim=16, pooled_projection_dim=32, pos_embed_max_size=32,
    )  # fmt: skip
    return diffusers.StableDiffusion3Pipeline(
        transformer=transformer, vae=autoencoder(16),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(num_train_timesteps=100),
        text_encoder=CLIPTextModelWithProjection(text_config(words)), tokenizer=words,
        text_encoder_2=CLIPTextModelWithProjection(text_config(words)), tokenizer_2=words,
        text_encoder_3=None, tokenizer_3=None,
    )  # fmt: skip


def pixel_only(folder):
    """An unconditional pipeline: it takes no words."""
    import diffusers

    unet = diffusers.UNet2DModel(
        sample_size=16, in_channels=3, out_channels=3, layers_per_block=1, norm_num_groups=4,
        block_out_channels=(8, 8), down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
    )  # fmt: skip
    diffusers.DDPMPipeline(unet, diffusers.DDPMScheduler()).save_pretrained(folder)
    return folder


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


def test_an_image_depends_on_its_seed_alone(engine):
    first = [engine.generate(CHEST, seed, FEW) for seed in (1, 2)]
    again = [engine.generate(CHEST, seed, FEW) for seed in (2, 1)]
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
    assert np.allclose(engine.generate(CHEST, 5, FEW), wanted, atol=1e-5)


def test_words_and_absent_findings_reach_the_pipeline(engine):
    plain = engine.generate(CHEST, 1, FEW)
    assert not np.array_equal(plain, engine.generate(("modality:ct",), 1, FEW))
    without = engine.generate(CHEST, 1, FEW, ("finding:pneumothorax",))
    assert not np.array_equal(plain, without)


def test_sizes_are_drawn_natively_and_fitted(engine):
    image = engine.generate(CHEST, 1, Settings(num_steps=1, size=(100, 64)))
    assert image.shape == (64, 100)
    with pytest.raises(InvalidInput, match="64-2048"):
        engine.generate(CHEST, 1, Settings(size=(32, 64)))


@pytest.mark.parametrize("name", ["engine", "inpainter"])
def test_filling_keeps_known_pixels_and_ignores_the_hole(name, request):
    engine = request.getfixturevalue(name)
    pixels, mask = scene()
    found = engine.fill(Given(pixels=pixels, mask=mask), CHEST, 3, FEW)
    assert found.shape == pixels.shape and found.dtype == np.float32
    assert np.array_equal(found[~mask], pixels[~mask])
    assert not np.array_equal(found[mask], pixels[mask])
    other = np.where(mask, 1, pixels).astype(np.float32)
    assert np.array_equal(found, engine.fill(Given(pixels=other, mask=mask), CHEST, 3, FEW))
    begun = [
        engine.fill(Given(pixels=p, mask=mask, strength=0.4), CHEST, 3, FEW)
        for p in (pixels, other)
    ]
    assert not np.array_equal(*begun)


@pytest.mark.parametrize("name", ["engine", "inpainter"])
@pytest.mark.parametrize("strength", [0.05, 0.5, 1.0])
def test_a_whole_image_is_varied_or_drawn_anew(name, strength, request):
    engine = request.getfixturevalue(name)
    pixels, mask = scene()[0], np.ones((50, 70), bool)
    found = engine.fill(Given(pixels=pixels, mask=mask, strength=strength), CHEST, 3, FEW)
    assert found.shape == pixels.shape and np.ptp(found) > 0
    other = engine.fill(Given(pixels=1 - pixels, mask=mask, strength=strength), CHEST, 3, FEW)
    assert np.array_equal(found, other) == (strength == 1)


@pytest.mark.parametrize("make", [stable_diffusion_xl, stable_diffusion_3])
def test_newer_pipelines_draw_fill_and_vary(make, folder, tmp_path):
    make().save_pretrained(tmp_path / "newer")
    engine = load_engine(f"diffusers:{tmp_path / 'newer'}")
    image = engine.generate(CHEST, 1, FEW, ("finding:pneumothorax",))
    assert image.shape == (SIDE, SIDE) and np.ptp(image) > 0
    assert not np.array_equal(image, engine.generate(CHEST, 1, FEW))
    assert engine.generate(CHEST, 1, Settings(num_steps=1, size=(96, 64))).shape == (64, 96)
    pixels, mask = scene()
    found = engine.fill(Given(pixels=pixels, mask=mask), CHEST, 3, FEW)
    assert np.array_equal(found[~mask], pixels[~mask])
    assert not np.array_equal(found[mask], pixels[mask])
    whole = Given(pixels=pixels, mask=np.ones_like(mask), strength=0.5)
    assert engine.fill(whole, CHEST, 3, FEW).shape == pixels.shape


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
        engine.generate(CHEST, 1, FEW)
    pixels, mask = scene()
    with pytest.raises(InvalidInput, match="DDPMPipeline has no inpainting"):
        engine.fill(Given(pixels=pixels, mask=mask), CHEST, 1, FEW)


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
        assert np.array_equal(one, two)
    record = json.loads((tmp_path / "one" / "chest-x-ray-0.json").read_text())
    assert (record["engine"], record["model_digest"]) == ("diffusers", engine.facts.digest)
