"""A whole augmentation: images one by one in workers, shards, manifests; goes on after a stop.

What is made waits in a folder beside the new data set until its shard is whole.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from radsmith import __version__
from radsmith.augmentation.output import (
    SUMMARY,
    Manifests,
    check_manifests,
    finish,
    write_shard,
    write_sheet,
)
from radsmith.augmentation.plan import AugmentPlan, Checks, Item, draw_item
from radsmith.augmentation.work import Progress, Work, make_item, prepare_checks
from radsmith.compute.tasks import over_tasks
from radsmith.engines.choice import Choice, load_engine
from radsmith.engines.engine import ModelFacts
from radsmith.errors import InvalidInput
from radsmith.evaluation.features import pixel_space
from radsmith.evaluation.judge_files import load_judge
from radsmith.evaluation.real_set import RealSet
from radsmith.files import prepare_folder, read_bytes, write_atomically
from radsmith.images.provenance import Settings

SHARD = 500
"""Most images of a tar."""


@dataclass(frozen=True, kw_only=True)
class AugmentRequest:
    """What to add images to and where to write the result.

    said: whatever else decides the images (target, classes), to tell requests apart.
    agreeing: keep only images that the judge recognises.  judge: None is the shipped one.
    """

    manifests: Manifests
    out: Path
    choice: Choice
    settings: Settings
    seed: int
    said: Mapping[str, Any]
    agreeing: bool = False
    judge: Path | None = None
    workers: int = 1
    ray: str = ""
    """The address of a cluster to draw on, as `over_tasks` has it."""

    @property
    def state(self) -> Path:
        """The working folder beside the data set."""
        return self.out.with_name(f"{self.out.name}-augment-state")


@dataclass
class ClassTally:
    """Outcomes of one class, or of all.

    copies, disagreeing: images thrown away.  dropped: places left empty after TRIES.
    unchecked: images of kinds that have too few real ones to tell copies.
    """

    made: int = 0
    copies: int = 0
    disagreeing: int = 0
    dropped: int = 0
    unchecked: int = 0

    def count(self, outcome: Mapping[str, Any]) -> None:
        """Add one outcome."""
        self.made += outcome["made"] is not None
        self.dropped += outcome["made"] is None
        self.copies += outcome["copies"]
        self.disagreeing += outcome["disagreeing"]
        self.unchecked += outcome["made"] is not None and not outcome["checked"]


@dataclass
class Result:
    """What was made, in all and by class; after: images of each class.

    sensitivity: kind -> share of planted copies that were found, None where none could be.
    """

    after: Counter[str]
    sensitivity: Mapping[str, float | None]
    all: ClassTally = field(default_factory=ClassTally)
    classes: dict[str, ClassTally] = field(default_factory=dict)


def check_place(request: AugmentRequest) -> None:
    """Raises InvalidInput where the result cannot be put in `out`; before any work."""
    out, data = request.out, request.manifests.folder
    if out.resolve() == data.resolve():
        raise InvalidInput(f"{out} is the data set itself: choose another folder with -o")
    if not request.state.exists() and out.exists() and (not out.is_dir() or any(out.iterdir())):
        done = "holds a complete augmentation" if (out / SUMMARY).exists() else "is not empty"
        raise InvalidInput(f"{out} {done}; choose another folder with -o")
    check_manifests(request.manifests)


def run_augmentation(
    request: AugmentRequest,
    plan: AugmentPlan,
    real: RealSet,
    held: RealSet | None,
    progress: Progress,
) -> Result:
    """Make the plan's images, or go on where a stopped run was; the same command, the same set.

    real: images of the real training rows, by number.  held: of the test split, not to be copied.
    Raises InvalidInput where `out` holds something else.
    """
    check_place(request)
    facts = load_engine(request.choice).facts
    work = _begin(request, facts)
    taken = [row["key"] for row in request.manifests.train]
    sensitivity = prepare_checks(work, plan, taken, real, held, progress)
    outcomes = [o for part in _make(request, work, plan, progress) for o in part]
    result = _result(plan, outcomes, sensitivity)
    rows = [o["row"] for o in outcomes if o["made"]]
    label = {o["made"]["key"]: o["label"] for o in outcomes if o["made"]}
    write_sheet(request.out, rows, lambda row: str(label[row["key"]]))
    finish(request.manifests, request.out, rows, _summary(request, plan, result, facts))
    shutil.rmtree(request.state)
    return result


def _begin(request: AugmentRequest, facts: ModelFacts) -> Work:
    """Make the folders, or find in them the run that was stopped."""
    manifests = request.manifests
    said = {
        "data": hashlib.sha256(repr((manifests.train, manifests.test)).encode()).hexdigest(),
        "model": facts.digest,
        "judge": load_judge(request.judge).facts["digest"] if request.agreeing else "",
        "settings": repr(request.settings),
        "seed": request.seed,
        **request.said,
    }
    text = json.dumps(said, sort_keys=True)
    begun = request.state / "request.json"
    if begun.exists() and begun.read_text(encoding="utf-8") != text:
        raise InvalidInput(
            f"{request.out} holds an augmentation begun with other options, data or model: give the"
            f" same ones to go on, or remove {request.state} and {request.out}"
        )
    prepare_folder(request.out)
    prepare_folder(request.state / "items")
    write_atomically(begun, text.encode())
    return Work(
        state=request.state,
        run=hashlib.sha256(text.encode()).hexdigest(),
        choice=request.choice,
        settings=request.settings,
        seed=request.seed,
        judge=request.judge,
        agreeing=request.agreeing,
    )


def seconds_an_image(choice: Choice, items: Sequence[Item], settings: Settings) -> float:
    """How long one image takes here, by drawing two."""
    engine = load_engine(choice)
    checks = Checks(
        guard=lambda kind: None, space=pixel_space, judge=None, least={}, taken=frozenset()
    )
    draw_item(engine, items[0], settings, checks)
    began = time.monotonic()
    draw_item(engine, items[-1], settings, checks)
    return time.monotonic() - began


def _make(
    request: AugmentRequest, work: Work, plan: AugmentPlan, progress: Progress
) -> Iterator[list[Any]]:
    """Outcomes of every shard in order; those that are there already are read."""
    shards = [plan.items[at : at + SHARD] for at in range(0, len(plan.items), SHARD)]
    parts = [request.state / f"shard-{number:05d}.json" for number in range(len(shards))]
    left = [items for items, part in zip(shards, parts, strict=True) if not part.exists()]
    missing = [item for items in left for item in items if not work.outcome(item).exists()]
    made = over_tasks(partial(make_item, work), missing, request.workers, ray=request.ray)
    done = len(plan.items) - len(missing)
    for number, (items, part) in enumerate(zip(shards, parts, strict=True)):
        while not part.exists():
            if all(work.outcome(item).exists() for item in items):
                name = request.manifests.new_shard(number)
                closed = _close_shard(request, work, name, items)
                write_atomically(part, json.dumps(closed).encode())
                for item in items:
                    work.outcome(item).unlink()
            else:
                next(made)
                done += 1
                progress("generating", done, len(plan.items))
        yield json.loads(read_bytes(part))
    yield from ([] for _ in made)  # none is left; the workers end


def _close_shard(
    request: AugmentRequest, work: Work, name: str, items: Sequence[Item]
) -> list[dict[str, Any]]:
    """Write the tar of items that are all there; their outcomes with rows."""
    outcomes, samples = [], []
    for item in items:
        said, _, picture = read_bytes(work.outcome(item)).partition(b"\n")
        outcome = json.loads(said) | {"of": item.row}
        if outcome["made"]:
            labels = request.manifests.real[item.row]
            outcome["row"] = request.manifests.row_of(labels, outcome["made"], name)
            samples.append((outcome["row"], picture))
        outcomes.append(outcome)
    if samples:
        write_shard(request.out / name, samples)
    return outcomes


def _result(
    plan: AugmentPlan,
    outcomes: Sequence[Mapping[str, Any]],
    sensitivity: Mapping[str, float | None],
) -> Result:
    after = Counter({c.name: c.size for c in plan.classes})
    result = Result(after=after, sensitivity=sensitivity)
    of_row: dict[int, list[str]] = {}
    for label in plan.classes:
        for row in label.real:
            of_row.setdefault(row, []).append(label.name)
    for outcome in outcomes:
        result.all.count(outcome)
        result.classes.setdefault(outcome["label"], ClassTally()).count(outcome)
        if outcome["made"]:
            result.after.update(of_row[outcome["of"]])
    return result


def _summary(
    request: AugmentRequest, plan: AugmentPlan, result: Result, facts: ModelFacts
) -> dict[str, Any]:
    """augment.json."""
    return {
        "radsmith": __version__,
        "model": {"name": facts.name, "digest": facts.digest},
        "settings": {"seed": request.seed, **vars(request.settings), **request.said},
        "goal": f"{plan.goal} images a class: {plan.why}",
        "in all": vars(result.all),
        "copies are told apart": {
            kind: "too few real images to tell"
            if share is None
            else f"{100 * share:.0f} % of planted near-copies found"
            for kind, share in result.sensitivity.items()
        },
        "classes": {
            label.name: {
                "real": len(label.real),
                "synthetic before": label.synthetic,
                "after": result.after[label.name],
                "training images of the model": label.learned,
                "skipped": plan.skipped.get(label.name, ""),
                "made": vars(result.classes.get(label.name, ClassTally())),
                "warnings": plan.warned.get(label.name, {}),
            }
            for label in plan.classes
        },
    }
