"""What can be inferred about people: membership, the guidance's three risks, being recognised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.evaluation.audit.copies import DETECTOR, Look
from radsmith.evaluation.audit.looking import Search
from radsmith.evaluation.audit.membership import (
    LEAST,
    Matched,
    appearance,
    attack,
    leaks,
    matched,
    quantile_scores,
)
from radsmith.evaluation.audit.planted import redrawn
from radsmith.evaluation.audit.request import AuditOptions, Parts
from radsmith.evaluation.audit.risks import inference, linkability, recognised, singling_out
from radsmith.evaluation.audit.search import AuditSpace, Nearest, Tell, nearest_of
from radsmith.evaluation.audit.sets import ImageSet, Item
from radsmith.evaluation.metrics import ssim_parts
from radsmith.images.letterbox import letterboxed

Array = NDArray[np.float64]
STRENGTH = 0.3
"""Of the redrawing by which a model is asked how well it knows an image."""
_SIDE = 64
_ASKED = 300


def infer(
    parts: Parts,
    search: Search,
    synthetic: Look,
    null_set: ImageSet,
    null: Look,
    options: AuditOptions,
    tell: Tell,
) -> dict[str, Any]:
    """Figures of all attacks, or why one could not be made; keys of the report."""
    kinds = {item.kind for item in parts.synthetic.items}
    members = _of_kinds(parts.training, kinds, trained_on=True)
    others = _of_kinds(parts.held_out, kinds, trained_on=False)
    pairs = matched(members.items, others.items, options.matched, options.seed)
    report: dict[str, Any] = {
        "membership": {
            "matched": len(pairs.members),
            "left_out": pairs.left_out,
            "by": "source and kind, one image a patient, no patient on both sides",
        }
    }
    space = next((s for s in search.spaces if s.name == DETECTOR), search.spaces[0])
    risks = _risks(parts, search, space, (members, others), options)
    report["risks"] = risks
    if not any(risks.values()):
        report["risks_not_done"] = "not asked: no people of one source and kind on both sides"
    report["recognised"] = _recognised(parts, space, (synthetic, null, null_set), options.seed)
    if len(pairs.members) < LEAST:
        report["membership"]["not_done"] = (
            f"{len(pairs.members)} pairs of one source and kind; at least {LEAST} are needed"
        )
        return report
    two = members.take(pairs.members.tolist()), others.take(pairs.others.tolist())
    report["membership"]["data_only"] = _by_data(parts, search, two)
    if options.by_model:
        report["membership"]["model"] = _by_model(parts, two, pairs, options.seed, tell)
    else:
        report["membership"]["model_not_asked"] = (
            "the images alone were audited: ask the model too with --by-model"
        )
    return report


def _of_kinds(images: ImageSet, kinds: set[str], *, trained_on: bool) -> ImageSet:
    """Images of these kinds; of the training set only those that were trained on for sure."""
    items = images.items
    kept = [i for i, it in enumerate(items) if it.kind in kinds] or list(range(len(items)))
    if trained_on:
        kept = [i for i in kept if items[i].facts.get("trained_on")]
    return images.take(kept)


def _by_data(parts: Parts, search: Search, two: tuple[ImageSet, ImageSet]) -> dict[str, Any]:
    """Someone who has the synthetic images alone: is a person's image nearer to one of them?"""
    found = {}
    for space in search.spaces:
        one, other = (
            _nearest(parts, search, space, images).score[:, 0].astype(np.float64) for images in two
        )
        found[space.name] = _attacked(one, other, two)
    return found


def _attacked(members: Array, others: Array, two: tuple[ImageSet, ImageSet]) -> dict[str, Any]:
    whose = tuple([item.patient for item in images.items] for images in two)
    figures = attack(members, others, (whose[0], whose[1]))
    return {**figures, "leaks": leaks(figures)}


def _by_model(
    parts: Parts, two: tuple[ImageSet, ImageSet], pairs: Matched, seed: int, tell: Tell
) -> dict[str, Any]:
    """Someone who can run the model: does it redraw a person's image more exactly?

    By squared error, and by structural similarity of a band of middle frequencies (2506.14919).
    """
    losses: list[list[tuple[float, float]]] = [[], []]
    facts: list[list[Array]] = [[], []]
    for side, images in enumerate(two):
        for i in range(len(images)):
            tell("asking the model", side * len(images) + i, 2 * len(images))
            image = np.asarray(images[i], np.float32)
            again = redrawn(image, STRENGTH, parts.engine, seed + i)
            losses[side].append(redraw_loss(image, again))
            facts[side].append(appearance(image))
    found: dict[str, Any] = {"digest": parts.engine.facts.digest}
    strata = sorted(set(pairs.strata))
    shown = np.array([[float(s == one) for one in strata[1:]] for s in pairs.strata])
    told = [np.concatenate([np.array(f), shown.reshape(len(f), -1)], 1) for f in facts]
    for column, name in enumerate(("squared_error", "middle_frequencies")):
        one, other = (np.array([row[column] for row in rows]) for rows in losses)
        figures = _attacked(-one, -other, two)
        figures["quantile_regression"] = quantile_scores(
            (one, other), (told[0], told[1]), rate=0.05, seed=seed
        )
        found[name] = figures
    return found


def redraw_loss(image: NDArray[np.floating], again: NDArray[np.floating]) -> tuple[float, float]:
    """Log mean squared error at 64 pixels, and 1 - SSIM of frequencies of 1/16 to 1/4 a pixel."""
    one, two = (letterboxed(x, _SIDE).astype(np.float64) for x in (image, again))
    error = float(np.log(np.mean((one - two) ** 2) + 1e-8))
    bands = [_band(x) for x in (one, two)]
    low = min(b.min() for b in bands)
    span = max(max(b.max() for b in bands) - low, 1e-6)
    luminance, contrast_ = ssim_parts(*((b - low) / span for b in bands))
    return error, 1 - float((luminance * contrast_).mean())


def _band(image: Array) -> Array:
    spectrum = np.fft.rfft2(image)
    rows, columns = np.fft.fftfreq(_SIDE)[:, None], np.fft.rfftfreq(_SIDE)[None]
    radius = np.hypot(rows, columns)
    return np.asarray(np.fft.irfft2(spectrum * ((radius >= 1 / 16) & (radius <= 1 / 4))))


def _nearest(parts: Parts, search: Search, space: AuditSpace, images: ImageSet) -> Nearest:
    """The synthetic image nearest to each of these."""
    whitening = search.whitenings[space.name]
    return nearest_of(search.store, images, parts.synthetic, space, whitening, 1)


def _risks(
    parts: Parts,
    search: Search,
    space: AuditSpace,
    people: tuple[ImageSet, ImageSet],
    options: AuditOptions,
) -> dict[str, Any]:
    """The three risks, on as many people of either side; None where there are none alike."""
    rng = np.random.default_rng([options.seed, 17])
    two = _alike_people(people, rng, options.matched)
    if not two[0].items or not two[1].items:
        return dict.fromkeys(("singling_out", "linkability", "inference"))
    one, other = (_nearest(parts, search, space, images).index[:, 0] for images in two)
    both = one, other
    items = two[0].items, two[1].items
    labelled = any(item.concepts for item in parts.synthetic.items)
    return {
        "singling_out": singling_out(parts.synthetic.items, *items) if labelled else None,
        "linkability": linkability(both, items),
        "inference": inference(both, items, parts.synthetic.items) if labelled else None,
    }


def _alike_people(
    people: tuple[ImageSet, ImageSet], rng: np.random.Generator, most: int
) -> tuple[ImageSet, ImageSet]:
    """As many patients of each source and kind on both sides, all their images, two at most."""
    groups: list[dict[str, list[list[int]]]] = []
    shared = {i.patient for i in people[0].items} & {i.patient for i in people[1].items}
    for images in people:
        whose: dict[tuple[str, str], list[int]] = {}
        for i in rng.permutation(len(images)):
            item: Item = images.items[int(i)]
            if item.patient not in shared:
                whose.setdefault((f"{item.source} {item.kind}", item.patient), []).append(int(i))
        strata: dict[str, list[list[int]]] = {}
        for (stratum, _), index in whose.items():
            strata.setdefault(f"{stratum} {min(len(index), 2)}", []).append(index[:2])
        groups.append(strata)
    chosen: tuple[list[int], list[int]] = ([], [])
    for stratum in sorted(set(groups[0]) & set(groups[1])):
        count = min(len(side[stratum]) for side in groups)
        for side in (0, 1):
            chosen[side].extend(i for own in groups[side][stratum][:count] for i in own)
    return people[0].take(chosen[0][:most]), people[1].take(chosen[1][:most])


def _recognised(
    parts: Parts, space: AuditSpace, looks: tuple[Look, Look, ImageSet], seed: int
) -> dict[str, Any]:
    """Synthetic images, and as the control held-out ones, beside the nearest patient's others."""
    synthetic, null, null_set = looks
    rng = np.random.default_rng([seed, 19])
    found: dict[str, Any] = {}
    for name, images, look in (
        ("synthetic", parts.synthetic, synthetic),
        ("held_out", null_set, null),
    ):
        rows = np.sort(rng.permutation(len(images))[:_ASKED])
        alike = _likeness(images.take(rows.tolist()), parts.training, space)
        found[name] = recognised(alike, look.nearest[rows], parts.training.items, seed)
    ours, theirs = found["synthetic"], found["held_out"]
    found["beyond_chance"] = bool(ours and ours["low"] > (theirs["high"] if theirs else 0.5))
    return found


def _likeness(
    queries: ImageSet, training: ImageSet, space: AuditSpace
) -> Callable[[Sequence[int], Sequence[int]], Array]:
    """Cosine in a space of pairs of images."""

    def alike(rows: Sequence[int], columns: Sequence[int]) -> Array:
        one = space.space([queries[i] for i in rows])
        two = space.space([training[i] for i in columns])
        one, two = (x - x.mean(1, keepdims=True) for x in (one, two))
        norm = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
        return np.asarray((one * two).sum(1) / np.maximum(norm, 1e-12), np.float64)

    return alike
