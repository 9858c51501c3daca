"""What is asked of a fine-tuning of a pipeline, checked when made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from radsmith.errors import InvalidInput
from radsmith.images.provenance import Settings
from radsmith.training.pipelines.data import FITS
from radsmith.training.pipelines.steps import Privacy


@dataclass(frozen=True, kw_only=True)
class PipelineTuning:
    """What to fine-tune, on what and how.

    data: folder that `radsmith import` wrote.  base: folder or hub id of a pipeline.  out: a new
    folder.  rank: of the LoRA, None trains the whole U-Net.  learning_rate: None for the usual.
    steps, minutes: where to end, whichever comes first; minutes are of steps, over all calls.
    at_once: images through the network together, for less memory with the same result.
    resolution: pixels a side, None for the pipeline's own.  fit: "letterbox" loses nothing, "crop"
    fills the square.  held_out_share: of the train split.  empty_share: of prompts left
    empty, for guidance.  precision: "auto" takes bfloat16 on a GPU that has it, never on a CPU.
    preview_every: steps between looks (previews, held-out loss, copies).  spare_memory: recompute
    activations.  resume: go on with a run that was stopped.
    """

    data: Path
    base: str
    out: Path
    rank: int | None = 16
    learning_rate: float | None = None
    steps: int | None = None
    minutes: float | None = None
    batch_size: int = 4
    at_once: int | None = None
    resolution: int | None = None
    fit: str = "letterbox"
    held_out_share: float = 0.1
    empty_share: float = 0.1
    seed: int = 0
    precision: str = "auto"
    preview_every: int = 500
    preview_prompts: tuple[str, ...] = ()
    preview_steps: int = 20
    preview_guidance: float = 7.0
    save_every_s: float = 300.0
    spare_memory: bool = False
    resume: bool = False
    privacy: Privacy | None = None

    def __post_init__(self) -> None:
        if self.steps is None and self.minutes is None:
            raise InvalidInput("say where to end: give steps, minutes, or both")
        least = {
            "rank": self.rank, "steps": self.steps, "batch size": self.batch_size,
            "images at once": self.at_once, "steps between previews": self.preview_every,
        }  # fmt: skip
        for name, value in least.items():
            if value is not None and value < 1:
                raise InvalidInput(f"{name} must be at least 1, got {value}")
        for name, number in (("minutes", self.minutes), ("learning rate", self.learning_rate)):
            if number is not None and not number > 0:
                raise InvalidInput(f"{name} must be above 0, got {number}")
        if self.fit not in FITS:
            raise InvalidInput(f"fit is one of {', '.join(FITS)}, got {self.fit!r}")
        if not 0 <= self.empty_share <= 1 or self.seed < 0:
            raise InvalidInput(
                f"the share of empty prompts must be in 0-1 and the seed at least 0, got"
                f" {self.empty_share} and {self.seed}"
            )
        if self.privacy and (self.rank is None or self.steps is None):
            raise InvalidInput(
                "differential privacy trains a LoRA for a given number of steps, by which the"
                " noise is set: give a rank and steps"
            )

    @property
    def state(self) -> Path:
        """The private folder beside the output."""
        out = self.out.resolve()
        return out.with_name(f"{out.name}-finetune-state")

    @property
    def preview_settings(self) -> Settings:
        """How previews are drawn."""
        return Settings(num_steps=self.preview_steps, guidance_scale=self.preview_guidance)
