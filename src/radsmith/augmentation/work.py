"""What a worker does: one image drawn, checked and left in the state folder.

What it is checked against is written there once, before the workers begin.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from radsmith.augmentation.plan import (
    AugmentPlan,
    Checks,
    Drawn,
    Item,
    draw_item,
    key_of,
    kind_of,
    least_agreement,
)
from radsmith.datasets.entry import alike
from radsmith.engines.choice import Choice, load_engine
from radsmith.engines.engine import Engine
from radsmith.evaluation.copies import CopyGuard, copy_guard
from radsmith.evaluation.features import pixel_space
from radsmith.evaluation.judge import Judge
from radsmith.evaluation.judge_files import load_judge
from radsmith.evaluation.real_set import RealSet
from radsmith.files import read_bytes, write_atomically
from radsmith.images.image import quantize
from radsmith.images.pictures import png_bytes
from radsmith.images.provenance import Settings

Progress = Callable[[str, int, int], None]
"""Called with a stage, done and total."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What every item of a run shares, small enough to be sent with each.

    state: the run's working folder.  run: tells runs apart that used one folder.
    """

    state: Path
    run: str
    choice: Choice
    settings: Settings
    seed: int
    judge: Path | None
    agreeing: bool

    def outcome(self, item: Item) -> Path:
        """What became of an item, as a line of JSON, and its PNG after that."""
        return self.state / "items" / f"{item.number:07d}"


def prepare_checks(
    work: Work,
    plan: AugmentPlan,
    taken: Sequence[str],
    real: RealSet,
    held: RealSet | None,
    progress: Progress,
) -> dict[str, float | None]:
    """Write for the workers what images are checked against; sensitivity of each kind's guard.

    taken: keys that are there already.  real, held: as `run_augmentation` has them.
    """
    kinds = sorted({item.kind for item in plan.items})
    found: dict[str, float | None] = {}
    for number, kind in enumerate(kinds):
        progress("looking at real images", number, len(kinds))
        path = _guard_path(work, kind)
        if not path.exists():
            write_atomically(path, _guard_bytes(kind, real, held, work.seed))
        guard = _guard(work, kind)
        found[kind] = round(guard.sensitivity, 4) if guard else None
    path = work.state / "checks.json"
    if not path.exists():
        least = _least(work, plan, real, progress) if work.agreeing else {}
        text = json.dumps({"least": least, "taken": list(taken)})
        write_atomically(path, text.encode())
    return found


def _guard_bytes(kind: str, real: RealSet, held: RealSet | None, seed: int) -> bytes:
    """The guard as NPZ; without arrays where there is none."""
    own = real.take([i for i, ids in enumerate(real.concepts) if kind_of(ids) == kind])
    others = [i for i, ids in enumerate(held.concepts) if kind_of(ids) == kind] if held else []
    guard = copy_guard(
        own.images,
        own.patients,
        pixel_space,
        np.random.default_rng([seed, 1]),
        held.take(others).images if held else (),
    )
    stream = io.BytesIO()
    if guard is None:
        np.savez(stream)
    else:
        figures = np.array([guard.threshold, guard.sensitivity, guard.n_null])
        np.savez(stream, known=guard.known.astype(np.float32), figures=figures)
    return stream.getvalue()


def _least(work: Work, plan: AugmentPlan, real: RealSet, progress: Progress) -> dict[str, float]:
    judge = load_judge(work.judge)
    labels = sorted({item.label for item in plan.items})
    of_name = {c.name: c for c in plan.classes}
    found = {}
    for number, name in enumerate(labels):
        progress("judging real images", number, len(labels))
        found[name] = least_agreement(judge, of_name[name], real.images, work.seed)
    return found


def make_item(work: Work, item: Item) -> None:
    """Draw one item and leave what became of it in the state folder."""
    least, taken = _checks(work)
    checks = Checks(
        guard=lambda kind: _guard(work, kind),
        space=pixel_space,
        judge=_judge(work.judge) if work.agreeing else None,
        least=least,
        taken=taken,
    )
    drawn = draw_item(_engine(work.choice), item, work.settings, checks)
    picture = b""
    if drawn.image is not None and drawn.record is not None:
        picture = png_bytes(drawn.image, drawn.record)
    said = json.dumps(_outcome(item, drawn)).encode()
    write_atomically(work.outcome(item), said + b"\n" + picture)


def _outcome(item: Item, drawn: Drawn) -> dict[str, Any]:
    made = None
    if drawn.image is not None and drawn.record is not None:
        pixels = quantize(drawn.image.pixels.astype(np.float64), 8).astype(np.uint8)
        digest = hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).hexdigest()
        width, height = drawn.image.size
        made = {
            "key": key_of(drawn.record),
            "width": width,
            "height": height,
            "digest": digest[:32],
            "alike": alike(pixels),
            "model_digest": drawn.record.model_digest,
            "seed": drawn.record.seed,
            "prompt": drawn.record.canonical_prompt,
        }
    return {
        "label": item.label,
        "made": made,
        "copies": drawn.copies,
        "disagreeing": drawn.disagreeing,
        "checked": drawn.checked,
    }


def _guard_path(work: Work, kind: str) -> Path:
    return work.state / f"guard-{hashlib.sha256(kind.encode()).hexdigest()[:16]}.npz"


@lru_cache(maxsize=2)
def _guard(work: Work, kind: str) -> CopyGuard | None:
    with np.load(_guard_path(work, kind), allow_pickle=False) as arrays:
        if "known" not in arrays:
            return None
        threshold, sensitivity, n_null = (float(v) for v in arrays["figures"])
        return CopyGuard(
            known=arrays["known"].astype(np.float64),
            threshold=threshold,
            sensitivity=sensitivity,
            n_null=int(n_null),
        )


@cache
def _engine(choice: Choice) -> Engine:
    return load_engine(choice)


@cache
def _judge(path: Path | None) -> Judge:
    return load_judge(path)


@cache
def _checks(work: Work) -> tuple[dict[str, float], frozenset[str]]:
    checks = json.loads(read_bytes(work.state / "checks.json"))
    return checks["least"], frozenset(checks["taken"])
