"""Canaries: known images put into a fine-tuning, and what of them comes back.

Of the candidates chance puts half into the training, once, 4 and 16 times; the other half is what
the attacker cannot tell them from. The tuned model draws for the candidates' captions, and is asked
how well it redraws each of them: extraction, exposure (Carlini et al. 2019), and a lower bound of
epsilon from this one run (Steinke et al. 2305.08846).
"""

from __future__ import annotations

import csv
import io
import shutil
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from radsmith.engines.choice import Choice, load_engine, settings_for
from radsmith.engines.engine import Engine
from radsmith.errors import InvalidInput
from radsmith.evaluation.audit.copies import Standard
from radsmith.evaluation.audit.files import load_audit_spaces
from radsmith.evaluation.audit.inferring import STRENGTH, redraw_loss
from radsmith.evaluation.audit.looking import Search
from radsmith.evaluation.audit.planted import redrawn
from radsmith.evaluation.audit.search import Tell
from radsmith.evaluation.audit.sets import UNNAMED, ImageSet, Item, read_set
from radsmith.evaluation.audit.statistics import Share, exposure, one_run_epsilon, threshold_at
from radsmith.files import cache_folder, prepare_folder, write_atomically
from radsmith.generation.plan import make, plan
from radsmith.images.provenance import Request
from radsmith.language.prompt import prompt_of, render
from radsmith.training.finetune import finetune
from radsmith.training.own_data import load_own
from radsmith.training.tuned_model import Tuning

REPEATS = (1, 4, 16)
FILLERS, STRANGERS, LEAST_STRANGERS = 100, 200, 20
"""Other images that are trained on once, and images that are not, whose nearness is the null."""
COLUMNS = (
    "key", "shard", "width", "height", "modality", "body_part", "view", "technique", "findings",
    "caption", "patient_id", "sex", "age", "laterality", "source", "origin", "age_group",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CanaryRequest:
    """each: candidates of a repeat count, half of which are trained on.  draws: images a caption.

    base: a model of the default engine, or "diffusers:…".  rank: of the changes; None trains every
    weight.
    """

    dataset: Path
    folder: Path
    base: Choice = None
    steps: int = 300
    each: int = 20
    draws: int = 4
    rank: int | None = 16
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An image of the data set.  repeats: how often it is trained on where chance puts it in."""

    index: int
    item: Item
    repeats: int
    wanted: bool


def run_canaries(request: CanaryRequest, tell: Tell) -> dict[str, Any]:
    """Plant, tune, draw, ask; the report, for JSON.

    Raises InvalidInput where the data set has too few patients of one kind of image.
    """
    images = read_set(request.dataset, "train", cache_folder())
    candidates, fillers, strangers = chosen(images, request)
    work = prepare_folder(request.folder / ".canaries")
    data = work / "data"
    if not (data / "train.csv").is_file():
        write_canaries_set(data, images, candidates, fillers)
    tuned = _tuned(request, data, work, tell)
    put_in = trained_on(data, candidates, request)
    before, after = load_engine(request.base), load_engine(tuned)
    known = [c.index for c in candidates]
    lost = _losses(images, known, (before, after), request.seed, tell)
    near, null = _came_back(images, candidates, strangers, after, (request, tuned, work), tell)
    return report_of(candidates, put_in, lost, near, null) | {
        "base": before.facts.digest,
        "tuned": after.facts.digest,
        "steps": request.steps,
        "draws": request.draws,
        "kind": images.items[known[0]].kind,
        "fillers": len(fillers),
        "not_trained_on": len(strangers),
    }


def chosen(
    images: ImageSet, request: CanaryRequest
) -> tuple[list[Candidate], list[int], list[int]]:
    """Candidates, fillers and strangers of the largest labelled kind, one image a patient."""
    rng = np.random.default_rng([request.seed, 47])
    kinds = [(k, v) for k, v in images.by_kind().items() if k != UNNAMED]
    if not kinds:
        raise InvalidInput(f"{request.dataset} says of no image what it shows: captions are needed")
    kind, index = kinds[0]
    first: dict[str, int] = {}
    for i in rng.permutation(index):
        first.setdefault(images.items[int(i)].patient, int(i))
    order = list(first.values())
    count = request.each * len(REPEATS)
    needed = max(2 * count, count + 2 * LEAST_STRANGERS)
    if len(order) < needed:
        raise InvalidInput(
            f"{request.dataset} has {len(order)} patients of its largest kind, {kind}: canaries"
            f" need {needed}; give --each a smaller number, or more images"
        )
    coins = rng.permuted(np.arange(count) % 2 == 0)
    candidates = [
        Candidate(
            index=order[k],
            item=images.items[order[k]],
            repeats=REPEATS[k % len(REPEATS)],
            wanted=bool(coins[k]),
        )
        for k in range(count)
    ]
    rest = order[count:]
    half = min(FILLERS, len(rest) // 2)
    return candidates, rest[:half], rest[half : half + STRANGERS]


def write_canaries_set(
    folder: Path, images: ImageSet, candidates: Sequence[Candidate], fillers: Sequence[int]
) -> None:
    """A data set of the fillers and the candidates that chance put in, each as often as it says."""
    prepare_folder(folder)
    plan_of = [(i, 1, f"f{i}") for i in fillers]
    plan_of += [(c.index, c.repeats, f"c{c.index}") for c in candidates if c.wanted]
    rows = []
    with tarfile.open(folder / "train-000.tar", "w") as tar:
        for index, repeats, patient in plan_of:
            pixels = np.round(np.clip(images[index], 0, 1) * 255).astype(np.uint8)
            stream = io.BytesIO()
            Picture.fromarray(pixels).save(stream, "PNG")
            for repeat in range(repeats):
                key = f"{patient}-{repeat}"
                info = tarfile.TarInfo(f"{key}.png")
                info.size = len(stream.getvalue())
                tar.addfile(info, io.BytesIO(stream.getvalue()))
                rows.append(_row(images.items[index], key, patient, pixels.shape))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(folder / "train.csv", text.getvalue().encode())


def _row(item: Item, key: str, patient: str, shape: tuple[int, ...]) -> dict[str, str]:
    modality, part = (
        next(c.partition(":")[2] for c in item.concepts if c.startswith(kind))
        for kind in ("modality:", "body_part:")
    )
    facts = {name: item.facts.get(name, "") for name in ("view", "sex", "age_group", "findings")}
    return facts | {
        "key": key,
        "shard": "train-000.tar",
        "width": str(shape[1]),
        "height": str(shape[0]),
        "modality": modality,
        "body_part": part.replace("-", " "),
        "patient_id": patient,
        "source": "canaries",
    }


def _tuned(request: CanaryRequest, data: Path, work: Path, tell: Tell) -> Choice:
    """The tuned model; one that is there from a stopped run is taken."""
    tell("fine-tuning", 0, request.steps)
    if isinstance(request.base, str):
        from radsmith.training.pipelines.finetune import PipelineTuning, finetune_pipeline

        out = work / "tuned"
        if not out.exists():
            asked = PipelineTuning(
                data=data,
                base=request.base.partition(":")[2],
                out=out,
                rank=request.rank,
                steps=request.steps,
                seed=request.seed,
                preview_every=request.steps,
            )
            finetune_pipeline(asked, lambda event, facts: None)
        return f"diffusers:{out}"
    path = work / "tuned.radsmith"
    if not path.exists():

        def show(what: str, facts: dict[str, Any]) -> None:
            if what == "step":
                tell("fine-tuning", int(facts["step"]), int(facts["steps"]))

        finetune(
            Tuning(
                dataset=data,
                out=path,
                base=request.base,
                rank=request.rank,
                steps=request.steps,
                minutes=24 * 60,
                replay=min(256, 16 * request.steps),
                seed=request.seed,
                previews=1,
            ),
            show,
        )
    return path


def trained_on(
    data: Path, candidates: Sequence[Candidate], request: CanaryRequest
) -> NDArray[np.bool_]:
    """Which candidates were: the tuning holds whole patients out, canaries among them."""
    if isinstance(request.base, str):
        from radsmith.training.pipelines.data import load_tuning_set

        corpus = load_tuning_set(data, 0.1).corpus
    else:
        scratch = data / ".held-out"
        corpus = load_own(data, scratch).corpus
        shutil.rmtree(scratch, ignore_errors=True)
    kept = {p for p, out in zip(corpus.patients, corpus.held_out, strict=True) if out}
    return np.array([c.wanted and f"c{c.index}" not in kept for c in candidates], bool)


def _losses(
    images: ImageSet, index: Sequence[int], engines: tuple[Engine, Engine], seed: int, tell: Tell
) -> NDArray[np.float64]:
    """How much better the tuned model redraws each image than the base does: (n,)."""
    gained = []
    for number, i in enumerate(index):
        tell("asking the model", number, len(index))
        image = np.asarray(images[i], np.float32)
        before, after = (
            redraw_loss(image, redrawn(image, STRENGTH, engine, seed + number))[0]
            for engine in engines
        )
        gained.append(before - after)
    return np.array(gained)


def _came_back(
    images: ImageSet,
    candidates: Sequence[Candidate],
    strangers: Sequence[int],
    engine: Engine,
    how: tuple[CanaryRequest, Choice, Path],
    tell: Tell,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nearness of each candidate to what the tuned model draws, and of each stranger."""
    request, tuned, work = how
    settings = settings_for(tuned, None, None)
    drawn: list[NDArray[np.float32]] = []
    for number, candidate in enumerate(candidates):
        tell("drawing", number, len(candidates))
        text = render(prompt_of(candidate.item.concepts))
        for draw in range(request.draws):
            seed = request.seed + 1000 * number + draw
            asked = Request(prompt=text, seed=seed, settings=settings)
            pixels = make(engine, plan(text, engine.facts), asked, "")[0].pixels
            drawn.append(pixels.astype(np.float32))
    name = engine.facts.digest
    items = [Item(name=f"drawn {k}", sha256=f"{name} {k}") for k in range(len(drawn))]
    spaces = load_audit_spaces("detector")
    search = Search.of(ImageSet(items, drawn.__getitem__), spaces, work / "search", tell)
    null = search.look(images.take(strangers))
    standard = Standard.of(null)
    look = search.look(images.take([c.index for c in candidates]))
    return standard.joined(look), standard.joined(null)


def report_of(
    candidates: Sequence[Candidate],
    put_in: NDArray[np.bool_],
    gained: NDArray[np.float64],
    near: NDArray[np.float64],
    null: NDArray[np.float64],
) -> dict[str, Any]:
    """Extraction, exposure and the bound from what was measured; the arrays are (n,) each.

    gained: higher where the tuned model knows an image better.  near, null: nearness to drawn
    images of candidates, and of images that were not trained on.
    """
    threshold = threshold_at(null, max(0.01, 1 / len(null)))
    repeats = np.array([c.repeats for c in candidates])
    out = gained[~put_in]
    groups = []
    for count in REPEATS:
        own = put_in & (repeats == count)
        ranks = [1 + int((out >= g).sum()) for g in gained[own]]
        bits = [exposure(rank, len(out) + 1) for rank in ranks]
        groups.append(
            {
                "repeats": count,
                "n": int(own.sum()),
                "extracted": Share(
                    found=int((near[own] > threshold).sum()), n=int(own.sum())
                ).said(),
                "exposure": round(float(np.mean(bits)), 4) if bits else 0.0,
                "most_exposure": round(float(np.log2(len(out) + 1)), 4),
            }
        )
    false = Share(found=int((near[~put_in] > threshold).sum()), n=int((~put_in).sum()))
    return {
        "groups": groups,
        "not_put_in": false.said(),
        "epsilon": guessed(gained, put_in),
        "note": "Exposure is by how much better the tuned model redraws an image than its base;"
        " the most there could be is that of the likeliest of all candidates. Came back: an image"
        " drawn for the candidates' captions is nearer than to 99 % of images not trained on.",
    }


def guessed(gained: NDArray[np.float64], put_in: NDArray[np.bool_]) -> dict[str, Any]:
    """The bound from one run: a quarter guessed in, a quarter guessed out, the rest left open."""
    count = len(gained) // 4
    order = np.argsort(-gained, kind="stable")
    right = int(put_in[order[:count]].sum() + (~put_in[order[len(order) - count :]]).sum())
    low = one_run_epsilon(len(gained), 2 * count, right)
    return {"low": round(low, 4), "canaries": len(gained), "guesses": 2 * count, "right": right}
