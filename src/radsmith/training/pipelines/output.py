"""What a fine-tuning shows and leaves: looks while it runs, weights, figures and the sidecar."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from radsmith import __version__
from radsmith.clock import now
from radsmith.engines.finetuned import LORA, SIDECAR, file_digest
from radsmith.engines.model_files import combined_digest
from radsmith.evaluation.features import Space
from radsmith.evaluation.judge import Judge
from radsmith.files import write_atomically
from radsmith.images.provenance import Settings
from radsmith.training.pipelines.data import TuningSet
from radsmith.training.pipelines.parts import Parts, Words, save_weights
from radsmith.training.pipelines.preview import (
    CopyWatch,
    Preview,
    draw,
    held_out_loss,
    judged,
    kept_images,
    sheet,
)
from radsmith.training.pipelines.request import PipelineTuning
from radsmith.training.pipelines.state import Encoded, PipelineRun
from radsmith.training.pipelines.steps import PipelineRecipe, epsilon_spent, patients_of

RISEN = 1.05
TELLING = 0.5
"""Share of planted copies below which the watch says that it tells little."""
FIGURES = "figures.json"
BEFORE_AFTER = "before-after.png"
Look = dict[str, Any]
"""step, held_out, watch, judged, sheet, warnings."""


@dataclass(kw_only=True)
class LookTaker:
    """Everything a look needs. view: pixels a side, and how pictures are fitted."""

    parts: Parts
    words: Words
    data: TuningSet
    encoded: Encoded
    spaces: Mapping[str, Space]
    judge: Judge | None
    asked: Sequence[Preview]
    settings: Settings
    folder: Path
    state: Path
    view: tuple[int, str]
    _watch: CopyWatch | None = None

    def take(self, step: int, earlier: Sequence[Look]) -> Look:
        """Draw the previews, measure, and write a sheet."""
        if self._watch is None:
            self._watch = CopyWatch(self.data, self.encoded, self.spaces, self.view)
        images = draw(self.parts, self.asked, self.settings)
        kept_images(self.images(step), images)
        name = f"previews/step-{step:06d}.png"
        (self.folder / "previews").mkdir(exist_ok=True)
        title = f"Step {step} of fine-tuning"
        png = sheet({f"step {step}": images}, self.asked, title)
        write_atomically(self.folder / name, png)
        look: Look = {
            "held_out": held_out_loss(self.parts, self.words, self.data, self.encoded),
            "watch": self._watch(images),
            "judged": judged(self.judge, self.asked, images),
            "sheet": name,
        }
        return look | {"warnings": _concerns(look, earlier)}

    def images(self, step: int) -> Path:
        """Where the previews of a step are kept while the run lasts."""
        return self.state / f"previews-{step}.npy"


def finish(
    request: PipelineTuning,
    recipe: PipelineRecipe,
    parts: Parts,
    run: PipelineRun,
    looks: LookTaker,
    outlook: Mapping[str, Any],
    found: Sequence[Look],
    identity: Mapping[str, Any],
) -> Path:
    """Write weights, sheet, figures and, last, the sidecar that says it is finished."""
    out, lora = request.out, request.rank is not None
    files = _weights(parts, out, lora=lora)
    rows = {
        name: kept_images(looks.images(look["step"]))
        for name, look in (("before", found[0]), ("after", found[-1]))
    }
    title = f"Before and after {run.step} steps"
    write_atomically(out / BEFORE_AFTER, sheet(rows, looks.asked, title))
    privacy = _privacy(recipe, looks.data, run.step)
    figures = {
        "held_out_before": found[0]["held_out"],
        "held_out_after": found[-1]["held_out"],
        "best_held_out": _best(found),
        "judged_before": found[0]["judged"],
        "judged_after": found[-1]["judged"],
        "watch_before": found[0]["watch"],
        "watch_after": found[-1]["watch"],
        "steps": run.step,
        "skipped_steps": run.skipped,
        "seconds_of_steps": round(run.seconds, 1),
        "prompts": [{"prompt": p.words, "seed": p.seed} for p in looks.asked],
        "looks": list(found),
        "outlook": dict(outlook),
    }
    write_atomically(out / FIGURES, _json(figures))
    base = Path(request.base)
    sidecar = {
        "kind": "lora" if lora else "full",
        "base": {
            "where": str(base.resolve()) if base.exists() else request.base,
            "digest": identity["base"],
        },
        "files": files,
        "digest": combined_digest({**files, "base": str(identity["base"])}),
        "data_set": {
            "digest": identity["data_set"],
            "images": outlook["images"],
            "patients": outlook["patients"],
            "held_out_images": outlook["held_out_images"],
        },
        "settings": _settings(request, recipe, parts),
        "steps": run.step,
        "images_per_concept": outlook["images_per_concept"],
        "privacy": privacy,
        "note": _note(outlook, privacy),
        "radsmith_version": __version__,
        "created": now(),
    }
    write_atomically(out / SIDECAR, _json(sidecar))
    shutil.rmtree(request.state)
    return out


def _weights(parts: Parts, out: Path, *, lora: bool) -> dict[str, str]:
    """Put the weights in place, the index of a pipeline last; name -> SHA-256 of all files."""
    partial = out / ".weights.part"
    shutil.rmtree(partial, ignore_errors=True)
    save_weights(parts, partial, lora=lora)
    if lora:
        os.replace(partial / LORA, out / LORA)
        shutil.rmtree(partial)
        return {LORA: file_digest(out / LORA)}
    names = sorted(
        path.relative_to(partial).as_posix() for path in partial.rglob("*") if path.is_file()
    )
    for part in sorted(partial.iterdir(), key=lambda path: path.is_file()):
        if (out / part.name).is_dir():
            shutil.rmtree(out / part.name)
        os.replace(part, out / part.name)
    partial.rmdir()
    return {name: file_digest(out / name) for name in names}


def _privacy(recipe: PipelineRecipe, data: TuningSet, steps: int) -> dict[str, Any] | None:
    """What a private run spent, and what the bound does not cover."""
    if recipe.privacy is None:
        return None
    rate = recipe.batch_size / len(patients_of(data))
    return {
        "epsilon": epsilon_spent(recipe.privacy, recipe.noise, rate, steps),
        "delta": recipe.privacy.delta,
        "unit": "patient (images without a patient number count as patients)",
        "neighbours": "data sets that differ by one patient added or removed",
        "clip": recipe.privacy.clip,
        "noise_multiplier": recipe.noise,
        "sampling_rate": rate,
        "accountant": "Renyi, Poisson sampling; Gaussian noise in floating point from PCG64",
        "covers": "the weights and what is drawn with them, for training patients",
        "does_not_cover": "counts, prompts, watch and held-out figures in the files beside them",
    }


def _settings(request: PipelineTuning, recipe: PipelineRecipe, parts: Parts) -> dict[str, Any]:
    left_out = ("data", "base", "out", "resume", "save_every_s", "privacy")
    said = {k: v for k, v in asdict(request).items() if k not in left_out}
    return said | {
        "resolution": parts.side,
        "learning_rate": recipe.learning_rate,
        "precision": str(parts.precision).removeprefix("torch."),
        "device": str(parts.device),
        "prediction": parts.schedule.config.prediction_type,
    }


def _note(outlook: Mapping[str, Any], privacy: Mapping[str, Any] | None) -> str:
    """One line for people, carried by every image that is made with it."""
    thin = [f"{name} ({n})" for name, n in outlook["thin_concepts"].items()]
    note = f"fine-tuned on {outlook['images']} images of {outlook['patients']} patients"
    if thin:
        more = f" and {len(thin) - 5} more" if len(thin) > 5 else ""
        note += f"; few of {', '.join(thin[:5])}{more}"
    if privacy:
        note += f"; differentially private: epsilon {privacy['epsilon']:.2f} a patient"
        note += f" at delta {privacy['delta']:g}"
    return note


def _concerns(look: Look, earlier: Sequence[Look]) -> list[str]:
    """What people should know of a look: copies, and a held-out loss that rises."""
    found = [
        f"{entry['nearer']:.0%} of the previews are nearer to a training image than 99 % of unseen"
        f" patients' images are ({name}); copies may be learned"
        for name, entry in (look["watch"] or {}).items()
        if entry["nearer"] > 0
    ]
    found += [
        f"the watch for copies finds {entry['sensitivity']:.0%} of copies planted in these data"
        f" ({name}): that it finds none says little"
        for name, entry in (look["watch"] or {}).items()
        if entry["sensitivity"] < TELLING and not earlier
    ]
    best = _best(earlier)
    now = look["held_out"]
    if best and now is not None and now > RISEN * best["loss"]:
        found.append(
            f"held-out loss {now:.4f} is above its best ({best['loss']:.4f} at step"
            f" {best['step']}): fewer steps would do"
        )
    return found


def _best(looks: Sequence[Look]) -> dict[str, Any] | None:
    """Step and held-out loss of the best look."""
    known = [(look["held_out"], look["step"]) for look in looks if look["held_out"] is not None]
    return {"loss": min(known)[0], "step": min(known)[1]} if known else None


def _json(facts: Mapping[str, Any]) -> bytes:
    return (json.dumps(facts, indent=1, ensure_ascii=False) + "\n").encode()
