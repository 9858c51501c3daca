"""What was asked for, and the provenance record every produced image carries."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from radsmith.errors import InvalidInput

NOTICE = "Synthetic image made by radsmith. Not for diagnosis."
MAX_SEED = 2**63 - 1
UNREVIEWED = "unreviewed"
"""Review state of what no expert has looked at; an image is made so, and never changes itself."""
SAMPLER_NAMES = ("multistep", "euler")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to sample. Defaults are the shipped model's recommended ones.

    num_steps: denoising steps, 1-100; of the default model's base, its finer stages take one call.
    guidance_scale: 1 = off, up to 10.
    sampler: "multistep" (second order), or "euler" (first), one call a step each.
    size: (width, height) in pixels, or None for the natural aspect of what is drawn.
    """

    num_steps: int = 8
    guidance_scale: float = 1.0
    sampler: str = "multistep"
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.num_steps <= 100:
            raise InvalidInput(f"steps must be 1-100, got {self.num_steps}")
        if not 0 <= self.guidance_scale <= 10:
            raise InvalidInput(f"guidance must be 0-10, got {self.guidance_scale}")
        if self.sampler not in SAMPLER_NAMES:
            raise InvalidInput(f"sampler must be one of {SAMPLER_NAMES}, got {self.sampler!r}")


@dataclass(frozen=True, kw_only=True)
class Request:
    """One image asked for: prompt, seed (0 to 2^63-1) and settings."""

    prompt: str
    seed: int
    settings: Settings = Settings()

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= MAX_SEED:
            raise InvalidInput(f"seed must be 0 to 2^63-1, got {self.seed}")
        try:
            self.prompt.encode()
        except UnicodeEncodeError as error:
            raise InvalidInput("the prompt holds a lone surrogate; give it as UTF-8") from error


@dataclass(frozen=True, kw_only=True)
class Generation:
    """The provenance record of one image; JSON in every file radsmith writes.

    concepts: ids the model was given or, in an edit without a prompt, chose by the pixels;
    not_understood: words of the prompt that were ignored;
    pixels_sha256: `Image.digest` of the pixels in the image's unit; parents: the same of the input
    images.  edit: what was done to them, in words; untouched_sha256: digest of the stored values
    outside the mask, row by row (`radsmith.editing.operations.untouched_digest`).
    created: ISO 8601 time, given by the shell.  review: what experts had said when the file was
    written; what they say later stands in their study, which names the file by its digest.
    """

    radsmith_version: str
    operation: str
    engine: str
    model: str
    model_digest: str
    prompt: str
    canonical_prompt: str
    concepts: tuple[str, ...]
    seed: int
    num_steps: int
    guidance_scale: float
    width: int
    height: int
    created: str
    pixels_sha256: str
    sampler: str = "euler"
    not_understood: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    edit: str = ""
    untouched_sha256: str = ""
    synthetic: bool = True
    review: str = UNREVIEWED
    notice: str = NOTICE

    def to_json(self) -> str:
        """One line of JSON with sorted keys."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Generation:
        """Read `to_json`; fields added by later versions are ignored."""
        try:
            data: dict[str, Any] = json.loads(text)
            known = {f.name for f in fields(cls)}
            values: dict[str, Any] = {
                key: tuple(value) if isinstance(value, list) else value
                for key, value in data.items()
                if key in known
            }
            return cls(**values)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise InvalidInput(f"not a radsmith provenance record: {error}") from error
