"""A latent text-to-image pipeline in training: its parts, words, latents and loss.

Stable Diffusion 1.5, 2 and XL are of this form: a VAE, one or two CLIP text encoders, a U-Net that
predicts noise, velocity or sample as the pipeline's scheduler says. Only the U-Net is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radsmith.engines.diffusers_engine import (
    adapters_library,
    libraries,
    load_pipeline,
    own_side,
)
from radsmith.errors import InvalidInput

PRECISIONS = ("auto", "float32", "bfloat16")
ADAPTED = ("to_q", "to_k", "to_v", "to_out.0")
"""Linear layers that get a low-rank addition: the projections of every attention."""
PREDICTIONS = ("epsilon", "v_prediction", "sample")
MOST_WORDS = 1024
"""Sentences whose embeddings are kept."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A loaded pipeline with what training needs of it.

    schedule: noise schedule of the pipeline's own settings.  side: pixels, factor: pixels a
    latent.  trained: names and parameters that change.  precision: of the arithmetic.
    """

    pipe: Any
    schedule: Any
    side: int
    factor: int
    device: torch.device
    precision: torch.dtype
    double: bool
    """Whether it has SDXL's second text encoder and its time ids."""
    trained: dict[str, nn.Parameter] = field(default_factory=dict)

    @property
    def timesteps(self) -> int:
        """Steps of the noise schedule."""
        return int(self.schedule.config.num_train_timesteps)

    def arithmetic(self) -> AbstractContextManager[Any]:
        """Mixed precision where it was asked for; never on a CPU."""
        if self.precision is torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.precision)


def open_pipeline(folder: Path, resolution: int | None, precision: str) -> Parts:
    """Load a pipeline for training, nothing of it trainable yet; without its safety checker.

    Raises InvalidInput where it is no latent text-to-image pipeline with a noise schedule, where
    the resolution does not fit it, or for mixed precision without a GPU that has it.
    """
    diffusers = libraries()[1]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    pipe = load_pipeline(folder, torch.float32, safety_checker=None)
    _check_kind(pipe, diffusers)
    factor = int(pipe.vae_scale_factor)
    multiple = factor * 2 ** (len(pipe.unet.config.block_out_channels) - 1)
    side = own_side(pipe) if resolution is None else resolution
    if side < multiple or side % multiple:
        raise InvalidInput(
            f"this pipeline draws multiples of {multiple} pixels (its own size is"
            f" {own_side(pipe)}), got {side}"
        )
    pipe.set_progress_bar_config(disable=True)
    pipe.vae.enable_slicing()  # memory of one picture
    for part in (pipe.unet, pipe.vae, pipe.text_encoder, getattr(pipe, "text_encoder_2", None)):
        if part is not None:
            part.requires_grad_(False).eval()
    return Parts(
        pipe=pipe.to(device),
        schedule=diffusers.DDPMScheduler.from_config(pipe.scheduler.config),
        side=side,
        factor=factor,
        device=device,
        precision=_precision(precision, device),
        double=getattr(pipe, "text_encoder_2", None) is not None,
    )


def make_trainable(parts: Parts, rank: int | None, seed: int, *, spare: bool) -> None:
    """Add a low-rank adapter to the U-Net (rank None: free all of it) and note its parameters.

    The adapter begins at no change.  spare: recompute activations, for less memory.
    """
    unet = parts.pipe.unet
    if rank is None:
        unet.requires_grad_(True)
    else:
        peft = adapters_library()
        if parts.precision is not torch.float32:
            unet.to(parts.precision)  # frozen weights need no more than the arithmetic has
        torch.manual_seed(seed)
        config = peft.LoraConfig(
            r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=list(ADAPTED)
        )
        unet.add_adapter(config)
    if spare:
        unet.enable_gradient_checkpointing()
    for name, parameter in unet.named_parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
            parts.trained[name] = parameter


def save_weights(parts: Parts, folder: Path, *, lora: bool) -> None:
    """Write what stock diffusers reads: LoRA weights, or the whole pipeline."""
    if not lora:
        parts.pipe.save_pretrained(folder, safe_serialization=True)
        return
    diffusers = libraries()[1]
    state = adapters_library().get_peft_model_state_dict(parts.pipe.unet)
    layers = diffusers.utils.convert_state_dict_to_diffusers(state)
    type(parts.pipe).save_lora_weights(
        folder, unet_lora_layers={name: t.cpu() for name, t in layers.items()}
    )


def encode(parts: Parts, squares: NDArray[np.float32]) -> NDArray[np.float16]:
    """Latents of gray (n, side, side) squares in 0-1, made RGB by repeating: (n, c, s, s).

    The mean of what the VAE encodes to, scaled as the U-Net knows it; half precision.
    """
    vae, config = parts.pipe.vae, parts.pipe.vae.config
    colour = torch.from_numpy(squares[:, None]).repeat(1, 3, 1, 1) * 2 - 1
    with torch.no_grad():
        latents = vae.encode(colour.to(parts.device)).latent_dist.mode()
    if config.get("latents_mean") and config.get("latents_std"):
        mean, std = (
            torch.tensor(config[k], device=parts.device).view(1, -1, 1, 1)
            for k in ("latents_mean", "latents_std")
        )
        latents = (latents - mean) / std
    found: NDArray[np.float16] = (latents * config.scaling_factor).cpu().numpy().astype(np.float16)
    if not np.isfinite(found).all():
        raise InvalidInput("the pipeline's VAE encodes to values that are no numbers")
    return found


class Words:
    """Sentences as the U-Net is told them, remembered; the empty one as guidance uses it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._embed = lru_cache(MOST_WORDS)(self._embedded)

    def __call__(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor | None]:
        """Embeddings (n, tokens, d) and, for SDXL, pooled ones (n, p)."""
        found = [self._embed(sentence) for sentence in sentences]
        pooled = torch.cat([p for _, p in found if p is not None]) if self._parts.double else None
        return torch.cat([e for e, _ in found]), pooled

    def cut(self, sentences: Sequence[str]) -> int:
        """How many of these sentences the tokenizer cuts off."""
        words = self._parts.pipe.tokenizer
        most = int(words.model_max_length)
        return sum(len(words(sentence).input_ids) > most for sentence in set(sentences))

    def _embedded(self, sentence: str) -> tuple[Tensor, Tensor | None]:
        asked = {"num_images_per_prompt": 1, "device": self._parts.device}
        with torch.no_grad():
            found = self._parts.pipe.encode_prompt(
                prompt=sentence, do_classifier_free_guidance=not sentence, **asked
            )
        here = 0 if sentence else 1  # what a pipeline makes of no negative prompt
        return found[here], found[here + 2] if self._parts.double else None


@dataclass(frozen=True, kw_only=True)
class Noised:
    """Latents, noise (n, c, s, s) and timesteps (n,) of a batch, with its sentences."""

    latents: NDArray[np.float16]
    noise: NDArray[np.float32]
    timesteps: NDArray[np.int64]
    sentences: Sequence[str]

    def __len__(self) -> int:
        return len(self.sentences)

    def part(self, first: int, count: int) -> Noised:
        """`count` of the samples from number `first` on."""
        to = slice(first, first + count)
        return Noised(
            latents=self.latents[to],
            noise=self.noise[to],
            timesteps=self.timesteps[to],
            sentences=self.sentences[to],
        )


def losses(parts: Parts, words: Words, batch: Noised) -> Tensor:
    """Mean squared error of each sample's prediction, of the scheduler's own kind: (n,)."""
    latents = torch.from_numpy(batch.latents.astype(np.float32)).to(parts.device)
    noise = torch.from_numpy(batch.noise).to(parts.device)
    t = torch.from_numpy(batch.timesteps).to(parts.device)
    embedded, pooled = words(batch.sentences)
    more: dict[str, Any] = {}
    if pooled is not None:
        side = float(parts.side)
        ids = torch.tensor([[side, side, 0.0, 0.0, side, side]], device=parts.device)
        more = {"text_embeds": pooled, "time_ids": ids.repeat(len(batch), 1)}
    kind = parts.schedule.config.prediction_type
    wanted = noise
    if kind == "v_prediction":
        wanted = parts.schedule.get_velocity(latents, noise, t)
    elif kind == "sample":
        wanted = latents
    noised = parts.schedule.add_noise(latents, noise, t)
    with parts.arithmetic():
        predicted = parts.pipe.unet(
            noised, t, embedded, added_cond_kwargs=more or None, return_dict=False
        )[0]
    return ((predicted.float() - wanted) ** 2).mean((1, 2, 3))


def _check_kind(pipe: Any, diffusers: Any) -> None:
    name = type(pipe).__name__
    kinds = (diffusers.StableDiffusionPipeline, diffusers.StableDiffusionXLPipeline)
    if not isinstance(pipe, kinds):
        raise InvalidInput(
            f"{name} cannot be fine-tuned here: give a latent text-to-image pipeline of the Stable"
            " Diffusion 1.5, 2 or XL kind"
        )
    if pipe.unet.config.in_channels != pipe.vae.config.latent_channels:
        raise InvalidInput(f"the U-Net of this {name} takes more than latents: no text-to-image")
    config = pipe.scheduler.config
    kind = config.get("prediction_type", "epsilon")
    if "beta_schedule" not in config or kind not in PREDICTIONS:
        raise InvalidInput(
            f"{type(pipe.scheduler).__name__} has no noise schedule to train by: expected betas and"
            f" one of {', '.join(PREDICTIONS)}, got {kind}"
        )


def _precision(asked: str, device: torch.device) -> torch.dtype:
    if asked not in PRECISIONS:
        raise InvalidInput(f"precision is one of {', '.join(PRECISIONS)}, got {asked!r}")
    able = device.type == "cuda" and torch.cuda.is_bf16_supported()
    if asked == "bfloat16" and not able:
        raise InvalidInput("bfloat16 needs a GPU that has it: leave it out, or take float32")
    return torch.bfloat16 if able and asked != "float32" else torch.float32
