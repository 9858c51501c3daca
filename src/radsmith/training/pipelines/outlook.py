"""What is said before a fine-tuning begins: images, thin concepts, time and memory, warnings."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import torch

from radsmith.generation.plan import WEAK
from radsmith.language.vocabulary import default_vocabulary
from radsmith.training.pipelines.data import TuningSet
from radsmith.training.pipelines.parts import Parts, Words
from radsmith.training.pipelines.preview import FEWEST_NULL, MOST_HELD_OUT
from radsmith.training.pipelines.request import PipelineTuning
from radsmith.training.pipelines.steps import Stepper, patients_of

MANY_PASSES = 100
NOTES = (
    "gray images are shown to the pipeline as RGB by repeating; none is mirrored",
    "only the U-Net is trained; text encoders and VAE stay as they are",
    "the safety checker, where the pipeline has one, is left out: it knows no radiographs",
)


def measure_outlook(
    request: PipelineTuning,
    parts: Parts,
    words: Words,
    data: TuningSet,
    stepper: Stepper,
    previews: int,
) -> dict[str, Any]:
    """Facts of the run to come, time and memory from one step that is measured and thrown away.

    previews: images drawn at each look.
    """
    memory = _weights(parts)
    tick = time.monotonic()
    stepper.gradient(0)
    if parts.device.type == "cuda":
        torch.cuda.synchronize()
    step_s = time.monotonic() - tick
    for parameter in parts.trained.values():
        parameter.grad = None
    memory["measured_peak"] = _peak(parts)
    steps = request.steps
    if request.minutes is not None:
        by_time = max(1, int(60 * request.minutes / step_s))
        steps = by_time if steps is None else min(steps, by_time)
    assert steps is not None
    forward_s = step_s / 3 / request.batch_size  # back-propagation is about two forward passes
    drawn = previews * request.preview_steps * (2 if request.preview_guidance > 1 else 1)
    look_s = forward_s * (drawn + min(len(data.held_out), MOST_HELD_OUT))
    looks = 1 + -(-steps // request.preview_every)
    facts: dict[str, Any] = {
        "images": len(data.training),
        "patients": len(patients_of(data)),
        "held_out_images": len(data.held_out),
        "images_per_concept": _named(dict(data.corpus.counts().most_common())),
        "thin_concepts": _named(data.thin()),
        "trainable_parameters": sum(p.numel() for p in parts.trained.values()),
        "resolution": parts.side,
        "prediction": parts.schedule.config.prediction_type,
        "device": str(parts.device),
        "precision": str(parts.precision).removeprefix("torch."),
        "steps": steps,
        "passes": round(steps * request.batch_size / max(1, len(data.training)), 2),
        "seconds_a_step": round(step_s, 3),
        "seconds_a_look": round(look_s, 1),
        "seconds": round(steps * step_s + looks * look_s, 1),
        "memory_bytes": memory,
        "notes": list(NOTES),
    }
    return facts | {"warnings": list(_warnings(request, parts, words, data, facts))}


def _warnings(
    request: PipelineTuning, parts: Parts, words: Words, data: TuningSet, facts: dict[str, Any]
) -> Iterator[str]:
    for name, count in facts["thin_concepts"].items():
        yield f"“{name}”: {count} training images; expect poor results"
    if facts["images"] < WEAK:
        yield f"only {facts['images']} training images: the result will hardly do more than repeat"
    if facts["passes"] > MANY_PASSES:
        yield f"each image will be seen about {facts['passes']:.0f} times: expect copies of them"
    if not len(data.held_out):
        yield "nobody is held out: there will be no held-out loss and no watch for copies"
    elif len(data.held_out) < FEWEST_NULL:
        yield (
            f"only {len(data.held_out)} held-out images: the watch for copies needs {FEWEST_NULL},"
            " it will say nothing"
        )
    longer = data.corpus.frames.max(1)
    small = int(((longer > 0) & (longer < parts.side)).sum())
    if small:
        yield f"{small} of {len(data)} images are smaller than {parts.side} pixels and are enlarged"
    cut = words.cut(data.words)
    if cut:
        yield f"{cut} different sentences are longer than the text encoder reads; their end is lost"
    if request.rank is None and facts["images"] < 1000:
        yield "training all of the U-Net on so few images forgets what the base knew: use a LoRA"
    memory, there = facts["memory_bytes"], _available(parts)
    need = memory["weights"] + memory["training"]
    if there and max(need, memory["measured_peak"]) > there:
        yield (
            f"{need / 1e9:.1f} GB are needed for weights and training alone, {there / 1e9:.1f} GB"
            " are there: take fewer images at once, or recompute activations"
        )


def _weights(parts: Parts) -> dict[str, int]:
    """Bytes of all weights; and of gradients and optimizer."""
    modules = [m for m in parts.pipe.components.values() if isinstance(m, torch.nn.Module)]
    weights = sum(p.numel() * p.element_size() for m in modules for p in m.parameters())
    return {
        "weights": weights,
        "training": sum(3 * 4 * p.numel() for p in parts.trained.values()),
    }


def _peak(parts: Parts) -> int:
    """Most bytes held so far: of the GPU, else of this process; 0 where it cannot be told."""
    if parts.device.type == "cuda":
        return int(torch.cuda.max_memory_allocated())
    try:
        import resource  # not on Windows
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _available(parts: Parts) -> int:
    """Bytes the device has in all; 0 where it cannot be told."""
    if parts.device.type == "cuda":
        return int(torch.cuda.get_device_properties(parts.device).total_memory)
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0


def _named(counts: dict[str, int]) -> dict[str, int]:
    """By name where the vocabulary has one; sources' styles are left out."""
    known = default_vocabulary()
    return {known[c].name: n for c, n in counts.items() if c in known.concepts}
