"""How good a model is: its images against real ones that nobody trained on.

For each kind of image (modality and body part) the real images are split into two halves by
patient; the model draws one image for each of the second half, from the same labels. Every figure
stands beside the same figure for real images: nothing else says how far there is to go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.engines.engine import Engine
from radsmith.errors import InvalidInput
from radsmith.evaluation.copies import copies_of
from radsmith.evaluation.features import Images, Space
from radsmith.evaluation.judge import EXCLUSIVE, Judge, Judgement
from radsmith.evaluation.metrics import (
    auroc,
    frechet_distance,
    kernel_distance,
    ms_ssim,
    neighbours,
)
from radsmith.evaluation.noise import compare_noise
from radsmith.evaluation.real_set import SMALLEST_KIND, RealSet, halves, kind_name, kinds_of
from radsmith.generation.plan import Plan, make, plan
from radsmith.images.letterbox import letterboxed
from radsmith.images.provenance import Request, Settings
from radsmith.images.stored import Stored
from radsmith.language.prompt import (
    NORMAL,
    Finding,
    Prompt,
    is_abnormal,
    prompt_of,
    render,
    settled,
)
from radsmith.language.vocabulary import default_vocabulary

LEARNED_FINDING = 100
"""Findings with at least as many training images are tested one by one."""
TOLD, FEWEST = 0.7, 5
"""A finding is told by the judge where its AUROC on real images of the kind is at least so much, of
at least so many with it and without: what it does not tell there it cannot be asked of ours."""
PAIRS_COMPARED = 40
Progress = Callable[[str, int], None]
"""Called with what is being done and how many steps it adds to the work done."""


Many = Callable[[Sequence[tuple[Plan, Request]]], Iterable[NDArray[np.floating]]]
"""Pixels of what is planned and asked for, one by one in order."""


@dataclass(frozen=True, kw_only=True)
class FidelityOptions:
    """per_kind: most real images of a kind.  per_finding: pairs of prompts a finding.

    more_steps: other numbers of steps to compare on the largest kinds.  many: draws many images by
    other workers, in order; None: the engine draws one after the other.
    """

    settings: Settings = field(default_factory=Settings)
    more_steps: tuple[int, ...] = ()
    per_kind: int = 400
    per_finding: int = 25
    seed: int = 0
    many: Many | None = None


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Generated images with the prompts they were asked for."""

    images: Images
    prompts: Sequence[Prompt]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """report: figures for JSON.  drawn: kind -> images, with the judge's score of each.

    closest: (space, kind, generated image, training image, distance over the threshold).
    """

    report: dict[str, Any]
    drawn: Mapping[str, tuple[Drawn, NDArray[np.float64]]]
    closest: Sequence[tuple[str, str, NDArray[np.floating], NDArray[np.floating], float]]


def evaluate(
    engine: Engine,
    real: RealSet,
    training: RealSet | None,
    spaces: Mapping[str, Space],
    judge: Judge,
    options: FidelityOptions,
    progress: Progress = lambda what, steps: None,
) -> Evaluation:
    """Compare the model with `real`; with `training`, look for copies too.

    Raises InvalidInput where no kind has SMALLEST_KIND images.
    """
    chosen = kinds_of(real.concepts)
    if not chosen:
        raise InvalidInput(
            f"no kind of image (modality and body part) has {SMALLEST_KIND} images to compare with"
        )
    report: dict[str, Any] = {
        "model": {
            "name": engine.facts.name,
            "digest": engine.facts.digest,
            "engine": engine.facts.engine,
            "notes": list(engine.facts.notes),
        },
        "settings": asdict(options.settings) | {"seed": options.seed},
        "judge": judge.facts.get("accuracy", {}),
        "kinds": [],
    }
    drawn: dict[str, tuple[Drawn, NDArray[np.float64]]] = {}
    held: dict[str, RealSet] = {}
    for kind, index in chosen.items():
        one, two = halves(real, index, options.per_kind, options.seed)
        asked = [prompt_of(ids) for ids in two.concepts]
        made = draw(engine, asked, options.settings, options.seed, progress, options.many)
        judged = judge.judge(made.images)
        entry: dict[str, Any] = {
            "kind": kind_name(kind),
            "training_images": engine.facts.count(*kind),
            "n": len(made.images),
            "spaces": _distances(one, two, made, spaces, options.seed),
            "ms_ssim": {
                "generated": _likeness(made.images, options.seed),
                "real": _likeness(two.images, options.seed),
            },
            "judge": alignment(judge, judged, made.prompts, two),
            "noise": compare_noise(two.images, one.images, made.images),
        }
        for steps in options.more_steps if len(index) == max(map(len, chosen.values())) else ():
            other = replace(options.settings, num_steps=steps)
            again = draw(engine, asked, other, options.seed, progress, options.many)
            compared = _distances(one, two, again, spaces, options.seed)
            entry.setdefault("steps", {})[str(steps)] = compared
        report["kinds"].append(entry)
        drawn[entry["kind"]] = (made, _asked_score(judge, judged, made.prompts))
        held[entry["kind"]] = RealSet(
            images=Stored([*one.images, *two.images]),
            concepts=[*one.concepts, *two.concepts],
            patients=[*one.patients, *two.patients],
        )
    report["findings"] = _findings(engine, judge, real, options, progress)
    report["findings_mean"] = mean_of_told(report["findings"])
    report["sides"] = _sides(engine, judge, list(chosen), options, progress)
    closest: list[tuple[str, str, NDArray[np.floating], NDArray[np.floating], float]] = []
    if training is not None:
        report["copies"] = {}
        made_of = {label: made.images for label, (made, _) in drawn.items()}
        for name, space in spaces.items():
            found, near = copies_of(name, space, training, held, made_of, options.seed, progress)
            report["copies"][name] = found
            closest += near
    return Evaluation(report=report, drawn=drawn, closest=closest)


def draw(
    engine: Engine,
    prompts: Sequence[Prompt],
    settings: Settings,
    seed: int,
    progress: Progress = lambda what, steps: None,
    many: Many | None = None,
) -> Drawn:
    """One image a prompt, seeds counting up, at 8 bits as a PNG would hold it."""
    asked = []
    for i, prompt in enumerate(prompts):
        text = render(prompt)
        request = Request(prompt=text, seed=seed + i, settings=settings)
        asked.append((plan(text, engine.facts), request))
    here = (make(engine, planned, request, "")[0].pixels for planned, request in asked)
    images = []
    for pixels in here if many is None else many(asked):
        images.append(pixels)
        progress("drawing", 1)
    return Drawn(images=Stored(images), prompts=list(prompts))


def alignment(
    judge: Judge, judged: Judgement, prompts: Sequence[Prompt], real: RealSet
) -> dict[str, Any]:
    """How often the judge names what was asked for, per exclusive group; and on real images."""
    found: dict[str, Any] = {}
    on_real = judge.judge(real.images)
    for kind in EXCLUSIVE:
        said, true = judged.best(kind), on_real.best(kind)
        pairs = []
        for i, prompt in enumerate(prompts):
            asked = [c for c in prompt.concepts if c in judge.groups[kind]]
            if len(asked) == 1:
                pairs.append((said[i] == asked[0], true[i] == asked[0]))
        if pairs:
            right, right_real = np.mean(pairs, axis=0)
            found[kind] = {
                "n": len(pairs),
                "generated": round(float(right), 4),
                "real": round(float(right_real), 4),
            }
    return found


def _asked_score(judge: Judge, judged: Judgement, prompts: Sequence[Prompt]) -> NDArray[np.float64]:
    """Mean log probability of what was asked for and the judge knows."""
    scores = []
    for i, prompt in enumerate(prompts):
        asked = [float(judged.probability[c][i]) for c in prompt.concepts if judge.knows(c)]
        scores.append(float(np.mean(np.log(np.maximum(asked, 1e-6)))) if asked else 0.0)
    return np.array(scores)


def _distances(
    one: RealSet, two: RealSet, made: Drawn, spaces: Mapping[str, Space], seed: int
) -> dict[str, Any]:
    """Distances of one kind in every space, each with its real-against-real floor."""
    found: dict[str, Any] = {}
    for name, space in spaces.items():
        real, other, generated = space(one.images), space(two.images), space(made.images)
        floor = frechet_distance(real, other)
        distance = frechet_distance(real, generated)
        rng = np.random.default_rng(seed)
        found[name] = {
            "fd": round(distance, 5),
            "fd_real": round(floor, 5),
            "fd_ratio": round(floor / distance, 4) if distance > 0 else None,
            "kid": _rounded(asdict(kernel_distance(real, generated, rng))),
            "kid_real": _rounded(asdict(kernel_distance(real, other, rng))),
            "neighbours": _rounded(asdict(neighbours(real, generated))),
            "neighbours_real": _rounded(asdict(neighbours(real, other))),
        }
    return found


def _likeness(images: Images, seed: int) -> float:
    """Mean MS-SSIM of random pairs: how alike the images of a set are."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(min(PAIRS_COMPARED, len(images) * (len(images) - 1) // 2)):
        i, j = rng.choice(len(images), 2, replace=False)
        found.append(ms_ssim(letterboxed(images[i], 176), letterboxed(images[j], 176)))
    return round(float(np.mean(found)), 4)


def _findings(
    engine: Engine, judge: Judge, real: RealSet, options: FidelityOptions, progress: Progress
) -> list[dict[str, Any]]:
    """Per finding learned in images of the kind: the judge's AUROC on prompted images and on real
    ones of the kind whose labels name a finding or normal, and whether "no" means no."""
    entries = []
    for kind, index in kinds_of(real.concepts).items():
        named = {c for i in index for c in real.concepts[i] if is_abnormal(c) and judge.knows(c)}
        counts = {finding: engine.facts.count(*kind, finding) for finding in sorted(named)}
        learned = [f for f, n in counts.items() if n is None or n >= LEARNED_FINDING]
        labelled = [i for i in index if any(c.startswith("finding:") for c in real.concepts[i])]
        on_real = judge.judge(real.take(labelled).images).probability if learned else {}
        for finding in learned:
            has = np.array([finding in real.concepts[i] for i in labelled])
            enough = min(has.sum(), (~has).sum()) >= FEWEST
            rows = [i for i in index if finding in real.concepts[i]]
            plain = [
                prompt_of(real.concepts[rows[k % len(rows)]]) for k in range(options.per_finding)
            ]
            made = [
                judge.judge(
                    draw(
                        engine, changed, options.settings, options.seed, progress, options.many
                    ).images
                ).probability[finding]
                for changed in (
                    [_with(p, Finding(concept=finding)) for p in plain],
                    [_with(p, Finding(concept=NORMAL)) for p in plain],
                    [_with(p, Finding(concept=finding, present=False)) for p in plain],
                )
            ]
            scores = np.concatenate(made[:2])
            positive = np.arange(len(scores)) < len(made[0])
            entries.append(
                {
                    "kind": kind_name(kind),
                    "finding": finding,
                    "training_images": counts[finding],
                    "n": options.per_finding,
                    "auroc": round(auroc(scores, positive), 4),
                    "auroc_real": round(auroc(on_real[finding], has), 4) if enough else None,
                    "negation_right": round(float(np.mean(made[0] > made[2])), 4),
                }
            )
    return entries


def mean_of_told(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means over the findings that the judge tells on real images; n: how many these are."""
    told = [e for e in entries if e["auroc_real"] is not None and e["auroc_real"] >= TOLD]
    means = {
        name: round(float(np.mean([e[name] for e in told])), 4) if told else None
        for name in ("auroc", "negation_right")
    }
    return {"n": len(told), "of": len(entries)} | means


def _with(prompt: Prompt, finding: Finding) -> Prompt:
    return settled(vars(prompt) | {"findings": [finding]})


def _sides(
    engine: Engine,
    judge: Judge,
    kinds: Sequence[tuple[str, str]],
    options: FidelityOptions,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Left and right of one seed: how often the judge sees both as asked."""
    left, right = "side:left", "side:right"
    entries = []
    for modality, part in kinds:
        learned = [engine.facts.count(part, s) for s in (left, right)]
        weak = any(n is not None and n < LEARNED_FINDING for n in learned)
        if weak or not default_vocabulary()[part].paired:
            continue
        said = []
        for side in (left, right):
            asked = Prompt(modality=modality, body_part=part, side=side)
            made = draw(
                engine,
                [asked] * options.per_finding,
                options.settings,
                options.seed,
                progress,
                options.many,
            )
            judged = judge.judge(made.images).probability
            said.append(judged[left] > judged[right])
        entries.append(
            {
                "kind": kind_name((modality, part)),
                "n": options.per_finding,
                "right": round(float(np.mean(said[0] & ~said[1])), 4),
                "each_right": round(float(np.mean([said[0], ~said[1]])), 4),
            }
        )
    return entries


def _rounded(figures: dict[str, Any]) -> dict[str, Any]:
    return {k: round(v, 6) if isinstance(v, float) else v for k, v in figures.items()}
