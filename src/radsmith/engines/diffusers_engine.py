"""A diffusers pipeline as an engine: text-to-image, image-to-image and inpainting as it can.

The one module outside `training/` that imports torch, and only when such an engine is used.
Weights are read from safetensors files alone. Each image is drawn alone, from a generator of its
own seed; results are bit-equal on one machine with one number of threads.
"""

from __future__ import annotations

import inspect
import json
import math
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from radsmith.engines.engine import SMALLEST, Ask, Completion, Given, ModelFacts, check_size
from radsmith.engines.finetuned import LORA, Finetuned, file_digest, read_finetuned
from radsmith.engines.model_files import combined_digest
from radsmith.errors import InvalidInput, NotFound, Unavailable
from radsmith.images.image import Array, Mask
from radsmith.images.regions import through_square
from radsmith.images.resize import fitted, resize

INDEX = "model_index.json"
LARGEST = 2048
NETWORKS = ("unet", "transformer")
BOTH_SIDES_MASKED = 9
"""Input channels of a network made for inpainting: latents, mask and masked image."""
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R BT.601."""
NOTES = (
    "what this pipeline learned is unknown to radsmith",
    "its colour output is brought to gray (ITU-R BT.601 luma)",
)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def facts_of(where: str) -> ModelFacts:
    """Name and digest of the pipeline at a path or hub id; the weights are read, not loaded.

    A fine-tuned one is known by its own files and its base's digest.
    """
    folder = pipeline_folder(where)
    tuned = read_finetuned(folder)
    if tuned is None:
        pipeline_index(folder)
        digest = pipeline_digest(folder)
    else:
        tuned.check(folder)
        digest = tuned.digest
    return ModelFacts(
        name=where if folder != Path(where) else folder.resolve().name,
        digest=digest,
        images=None,
        together=None,
        engine="diffusers",
        sides=(SMALLEST, LARGEST),
        notes=NOTES if tuned is None else (tuned.note, *NOTES),
    )


def load_diffusers(where: str) -> DiffusersEngine:
    """The pipeline at a path or hub id, or a fine-tuned one with its base, ready to draw.

    Raises NotFound, InvalidInput for what is no pipeline, Unavailable without the extra.
    """
    torch = libraries()[0]
    folder = pipeline_folder(where)
    facts = facts_of(where)
    tuned = read_finetuned(folder)
    lora = tuned is not None and tuned.kind == "lora"
    source = base_folder(tuned) if tuned is not None and lora else folder
    device = "cuda" if torch.cuda.is_available() else "cpu"
    kind = torch.float32
    if device == "cuda":
        kind = torch.float16 if pipeline_index(source).get("unet") else torch.bfloat16
    pipe = load_pipeline(source, kind)
    if lora:
        _add_lora(pipe, folder)
    return DiffusersEngine(pipe.to(device), facts, tuned.side if tuned else None)


class DiffusersEngine:
    """A loaded pipeline. Implements `Engine`; absent findings are negative prompts.

    side: pixels a side to draw at; None for the pipeline's own.
    """

    def __init__(self, pipe: Any, facts: ModelFacts, side: int | None = None) -> None:
        self.facts = facts
        self._pipe = pipe
        self._pipe.set_progress_bar_config(disable=True)
        network = next(name for name in NETWORKS if getattr(pipe, name, None) is not None)
        config = getattr(pipe, network).config
        self._masked = network == "unet" and config.get("in_channels") == BOTH_SIDES_MASKED
        self._side = side or own_side(pipe)
        self._multiple = math.lcm(8, 2 * int(getattr(pipe, "vae_scale_factor", 8)))
        self._classes: dict[str, Any] = {}

    def generate(self, ask: Ask) -> Array:
        """One image: (height, width) in 0-1; the pipeline's own square unless a size is asked.

        Drawn with the pipeline's own number of pixels along the longer side, then resized.
        """
        check_size(ask.settings.size, self.facts.sides)
        size = ask.settings.size or (self._side, self._side)
        width, height = (self._near(self._side * n / max(size)) for n in size)
        if self._masked:
            blank = np.zeros((self._side, self._side), np.float32)
            drawn = self._draw(blank, blank == 0, 1.0, ask)
        else:
            pipe = self._as("Text2Image", "text-to-image")
            drawn = self._call(pipe, ask, width=width, height=height)
        return fitted(drawn, *size) if drawn.shape != size[::-1] else drawn

    def fill(self, given: Given, ask: Ask) -> Completion:
        """The given image completed, through a square window around the hole.

        Raises InvalidInput where the pipeline can neither inpaint nor begin from an image.
        """
        pixels, mask = given.pixels, given.mask
        if given.strength == 1 and mask.any():  # what stands in the hole must not matter
            level = np.float32(pixels[~mask].mean() if not mask.all() else 0)
            pixels = np.where(mask, level, pixels).astype(np.float32)
        if given.strength == 1 and mask.all():
            whole = self.generate(replace(ask, settings=replace(ask.settings, size=None)))
            pixels = fitted(whole, *mask.shape[::-1])
        else:
            pixels = through_square(
                pixels, mask, self._side, lambda p, hole: self._draw(p, hole, given.strength, ask)
            )
        return Completion(pixels=pixels, concepts=ask.concepts)

    def _draw(self, pixels: Array, hole: Mask, strength: float, ask: Ask) -> Array:
        """A square of the pipeline's own size, from known pixels; img2img where all is unknown."""
        import torch

        image = torch.from_numpy(np.repeat(np.clip(pixels, 0, 1)[None, None], 3, axis=1))
        if strength < 1:  # a pipeline runs steps x strength of them: one at least
            steps = min(100, max(ask.settings.num_steps, int(1 / strength) + 1))
            ask = replace(ask, settings=replace(ask.settings, num_steps=steps))
        more: dict[str, Any] = {"image": image, "strength": strength}
        if hole.all() and not self._masked:
            pipe = self._as("Image2Image", "image-to-image")
        else:
            pipe = self._as("Inpainting", "inpainting")
            more["mask_image"] = torch.from_numpy(hole[None, None].astype(np.float32))
        size = {"width": self._side, "height": self._side}
        drawn = self._call(pipe, ask, **more, **size)
        return drawn if drawn.shape == pixels.shape else resize(drawn, *size.values())

    def _call(self, pipe: Any, ask: Ask, **more: Any) -> Array:
        """Run a pipeline with those of the arguments it takes; (height, width) gray in 0-1."""
        import torch

        (shown, absent), settings = ask.words, ask.settings
        takes = inspect.signature(pipe.__call__).parameters
        text = shown or "radiology image"
        negative = "negative_prompt" in takes and "true_cfg_scale" not in takes
        if absent and negative and settings.guidance_scale > 1:
            more["negative_prompt"] = absent
        elif absent:
            text = ", ".join([text, *(f"no {name}" for name in absent.split(", "))])
        needed = {"image", "mask_image", *(["strength"] if more.get("strength") != 1 else [])}
        if missing := needed & set(more) - set(takes):
            raise self._cannot(" and ".join(sorted(missing)))
        arguments = {
            "num_inference_steps": settings.num_steps,
            "guidance_scale": settings.guidance_scale,
            "generator": torch.Generator("cpu").manual_seed(ask.seed),
            "output_type": "np",
            **more,
        }
        try:
            found = pipe(prompt=text, **{k: v for k, v in arguments.items() if k in takes})
        except torch.OutOfMemoryError as error:
            raise Unavailable(f"not enough memory for {self.facts.name}: {error}") from error
        except (ValueError, TypeError, RuntimeError) as error:
            raise InvalidInput(f"{type(pipe).__name__} refused: {error}") from error
        if any(getattr(found, "nsfw_content_detected", None) or ()):
            raise InvalidInput(
                "the pipeline's own safety checker blacked the image out: try another seed, or"
                " save the pipeline without its checker"
            )
        return _gray(np.asarray(found.images[0], np.float32), self.facts.name)

    def _as(self, task: str, words: str) -> Any:
        """The same parts as a pipeline of another task."""
        if task not in self._classes:
            diffusers = libraries()[1]
            try:
                pipe = getattr(diffusers, f"AutoPipelineFor{task}").from_pipe(self._pipe)
            except ValueError as error:
                raise self._cannot(words) from error
            pipe.set_progress_bar_config(disable=True)
            self._classes[task] = pipe
        return self._classes[task]

    def _cannot(self, what: str) -> InvalidInput:
        name = type(self._pipe).__name__
        return InvalidInput(f"{name} has no {what}: use a pipeline that does, or another engine")

    def _near(self, pixels: float) -> int:
        """A multiple of what the pipeline can draw, not too narrow to."""
        least = self._side / 4
        return max(1, round(max(pixels, least) / self._multiple)) * self._multiple


def _gray(image: Array, name: str) -> Array:
    """Luma of (height, width, channels) in 0-1."""
    if not np.isfinite(image).all():
        raise Unavailable(f"{name} gave values that are no numbers: its weights may be damaged")
    if image.ndim == 3:
        image = image @ LUMA if image.shape[2] == 3 else image.mean(2)
    return np.ascontiguousarray(np.clip(image, 0, 1), np.float32)


def load_pipeline(folder: Path, kind: Any, **parts: Any) -> Any:
    """The pipeline in `folder` with weights of a torch dtype; `parts` replace its own.

    Raises InvalidInput for what is no pipeline or cannot be loaded.
    """
    diffusers = libraries()[1]
    index = pipeline_index(folder)
    left_out = {name: None for name, part in index.items() if part == [None, None]}
    given = left_out | {name: part for name, part in parts.items() if name in index}
    try:
        return diffusers.DiffusionPipeline.from_pretrained(
            folder, dtype=kind, use_safetensors=True, local_files_only=True, **given
        )
    except (OSError, ValueError, TypeError, AttributeError, ImportError, KeyError) as error:
        raise InvalidInput(f"{folder} cannot be loaded as a pipeline: {error}") from error


def own_side(pipe: Any) -> int:
    """Pixels a side that a pipeline was made for."""
    network = next(name for name in NETWORKS if getattr(pipe, name, None) is not None)
    config = getattr(pipe, network).config
    size = getattr(pipe, "default_sample_size", None) or config.get("sample_size") or 64
    factor = int(getattr(pipe, "vae_scale_factor", 8))
    return factor * int(size if isinstance(size, int) else max(size))


def base_folder(tuned: Finetuned) -> Path:
    """Where the base of a LoRA lies. Raises NotFound, or InvalidInput where it is another one."""
    try:
        folder = pipeline_folder(tuned.base)
    except NotFound as error:
        raise NotFound(
            f"the LoRA needs its base: {error}; if it lies elsewhere now, write its place into"
            " `base.where` of the LoRA's finetune.json"
        ) from error
    pipeline_index(folder)
    if pipeline_digest(folder) != tuned.base_digest:
        raise InvalidInput(
            f"{tuned.base} is not the pipeline this LoRA was made for (SHA-256 differs): restore"
            " it, or fine-tune again"
        )
    return folder


def adapters_library() -> Any:
    """peft. Raises Unavailable where it is not installed."""
    try:
        import peft
    except ImportError as error:
        raise Unavailable(
            "a LoRA needs peft: install it with `pip install radsmith[diffusers]`"
        ) from error
    return peft


def _add_lora(pipe: Any, folder: Path) -> None:
    adapters_library()
    try:
        pipe.load_lora_weights(folder, weight_name=LORA)
    except (OSError, ValueError, KeyError, RuntimeError, AttributeError) as error:
        raise InvalidInput(f"{folder / LORA} does not fit its base: {error}") from error


def libraries() -> tuple[Any, Any]:
    """torch and diffusers. Raises Unavailable where they are not installed."""
    try:
        import diffusers
        import torch
        import transformers
    except ImportError as error:
        raise Unavailable(
            f"a diffusers pipeline needs {error.name or 'diffusers'}: install it with"
            " `pip install radsmith[diffusers]`"
        ) from error
    for library in (diffusers.utils, transformers.utils):
        library.logging.set_verbosity_error()
        library.logging.disable_progress_bar()
    return torch, diffusers


@cache
def pipeline_folder(where: str) -> Path:
    """A local folder as it is; a hub id downloaded, or as it was downloaded before."""
    path = Path(where)
    if path.exists():
        return path
    if not _HUB_ID.fullmatch(where):
        raise NotFound(
            f"no pipeline at {where}: give a folder with {INDEX}, or a hub id OWNER/NAME"
        )
    diffusers = libraries()[1]
    try:
        return Path(diffusers.DiffusionPipeline.download(where, use_safetensors=True))
    except (OSError, ValueError) as error:
        raise NotFound(
            f"{where} is neither a folder nor a pipeline that can be downloaded: {error}"
        ) from error


def pipeline_index(folder: Path) -> dict[str, Any]:
    """The parts of the pipeline in `folder`, one of NETWORKS among them."""
    path = folder / INDEX
    if not path.is_file():
        raise NotFound(f"no pipeline in {folder}: expected {INDEX}, as `save_pretrained` writes it")
    try:
        index: dict[str, Any] = dict(json.loads(path.read_text(encoding="utf-8")))
        held = any(index.get(name) for name in NETWORKS)
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"{path} is no pipeline description: {error}") from error
    if not isinstance(index.get("_class_name"), str) or not held:
        raise InvalidInput(
            f"{path} names neither a unet nor a transformer, or brings its own code: only"
            " pipelines of the diffusers library that draw images can be used"
        )
    return index


@cache
def pipeline_digest(folder: Path) -> str:
    """One SHA-256 over the weight and configuration files."""
    files = {
        path.relative_to(folder).as_posix(): path
        for suffix in ("safetensors", "json")
        for path in folder.rglob(f"*.{suffix}")
    }
    if not any(name.endswith(".safetensors") for name in files):
        raise InvalidInput(
            f"{folder} holds no .safetensors weights; other formats can carry code and are not"
            " read: save the pipeline with safe_serialization=True"
        )
    return combined_digest({name: file_digest(path) for name, path in files.items()})
