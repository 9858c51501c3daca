"""One page for a data officer: the verdict and its rule first, then the figures behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.images.contact_sheet import Group, Table, Tile, contact_page
from radsmith.images.image import Image

Pairs = Sequence[tuple[str, str, float, NDArray[np.floating], NDArray[np.floating]]]
TITLE = "Privacy audit"
DOES_NOT_PROVE = (
    "This is a measurement of known attacks, not a proof and not legal advice. Whether people may"
    " still be told from the images is judged case by case, by someone who knows what else is known"
    " about them (EDPB Opinion 28/2024)."
)


def audit_page(report: Mapping[str, Any], pairs: Pairs) -> str:
    """The report as one self-contained HTML page."""
    synthetic, training = report["synthetic"], report["training"]
    verdict = report["verdict"]
    lead = [
        verdict["sentence"],
        f"Compared: {synthetic['images']} synthetic images with {training['images']} training"
        f" images of {training['patients']} patients, against {report['held_out']['images']}"
        f" held-out images of {report['held_out']['patients']} other patients; {report['made']}.",
        f"The rule: {verdict['rule']}",
        DOES_NOT_PROVE,
    ]
    groups = [
        Group(
            title=f"{name} and its nearest training image {nearest}",
            tiles=[
                Tile(image=_shown(image), caption=f"{name}: {_above(score)}"),
                Tile(image=_shown(real), caption=f"training image {nearest}"),
            ],
        )
        for name, nearest, score, image, real in pairs
    ]
    return contact_page(TITLE, groups, tables=audit_tables(report), lead=lead)


def _above(score: float) -> str:
    side = "above" if score > 0 else "below"
    return f"{abs(score):.1f} spreads {side} the threshold"


def _shown(image: NDArray[np.floating]) -> Image:
    return Image(pixels=np.clip(image, 0, 1).astype(np.float32))


def audit_tables(report: Mapping[str, Any]) -> list[Table]:
    """Every figure of a report, with its interval, its n and what it is compared with."""
    tables = [_planted(report), _kinds(report)]
    if report.get("membership"):
        tables.append(_membership(report["membership"]))
    tables.append(_risks(report))
    if report.get("canaries"):
        tables.append(_canaries(report["canaries"]))
    tables += [_coverage(report["coverage"]), _conditions(report)]
    return tables


def share(figures: Mapping[str, Any] | None) -> str:
    """Such as "96 % (91-99) of 120"; "-" where nothing was counted."""
    if not figures or not figures.get("n"):
        return "-"
    low, high = (100 * figures[k] for k in ("low", "high"))
    digits = 0 if high > 10 else 1
    return (
        f"{100 * figures['estimate']:.{digits}f} % ({low:.{digits}f}-{high:.{digits}f})"
        f" of {figures['n']}"
    )


def _planted(report: Mapping[str, Any]) -> Table:
    rows = [
        (name, share(figures), figures.get("rightly_named", "-"))
        for name, figures in report["controls"].items()
    ]
    rows.append(("held-out images of other patients", share(report["false_alarms"]["all"]), "-"))
    return Table(
        title="Positive controls: what the same search finds of planted copies",
        columns=("planted", "found (95 % interval)", "nearest image rightly named"),
        rows=rows,
        note="Copies of training images, changed as named; “redrawn” by a model at that strength."
        " The last line is the false alarms, the threshold set by the other half of the patients.",
    )


def _kinds(report: Mapping[str, Any]) -> Table:
    rows = [
        (k["kind"], share(k["flagged"]), share(k["false_alarms"]), share(k["sensitivity"]))
        for k in report["kinds"]
    ]
    return Table(
        title="Copies by kind of image",
        columns=("kind", "count as copies", "held-out images that do", "planted copies found"),
        rows=rows,
        note="About 1 % count as copies by chance. A kind with fewer than 100 held-out images is"
        " held to the threshold of all kinds together.",
    )


def _membership(membership: Mapping[str, Any]) -> Table:
    rows = []
    for who, key in (("has the images alone", "data_only"), ("can run the model", "model")):
        for name, f in (membership.get(key) or {}).items():
            if name == "digest":
                continue
            controls = f["controls"]
            rows.append(
                (
                    who,
                    name.replace("_", " "),
                    f["n_members"],
                    _auc(f["auc"]),
                    *(_auc(c["auc"]) if c else "-" for c in controls.values()),
                    share(f["tpr_at_0.01"]),
                    share(f["tpr_at_0.001"]),
                    "yes" if f["leaks"] else "no",
                )
            )
    note = membership.get("not_done") or membership.get("model_not_asked") or ""
    return Table(
        title="Membership inference: can someone tell that an image was trained on?",
        columns=(
            "someone who",
            "attack",
            "n a side",
            "AUC",
            "members : members",
            "others : others",
            "found at 1 % false alarms",
            "at 0.1 %",
            "beyond both controls",
        ),
        rows=rows,
        note=f"Matched {membership['by']}; {membership['left_out']} images left out. Both controls"
        f" must be near 0.5: what they show is no leak but a difference of the sets. {note}",
    )


def _auc(figures: Mapping[str, float]) -> str:
    return f"{figures['estimate']:.2f} ({figures['low']:.2f}-{figures['high']:.2f})"


def _risks(report: Mapping[str, Any]) -> Table:
    rows: list[tuple[object, ...]] = []
    for name, f in report["risks"].items():
        if not f or not f["judged"]:
            why = report.get("risks_not_done", "not judged: nothing to ask")
            rows.append((name.replace("_", " "), why, "-", "-", "-"))
            continue
        said = f"{100 * f['risk']:.1f} % ({100 * f['low']:.1f}-{100 * f['high']:.1f})"
        rows.append(
            (name.replace("_", " "), f["of"], share(f["attack"]), share(f["control"]), said)
        )
    one = report["recognised"]
    auc = [_auc({"estimate": f["auc"]} | f) if f else "-" for f in
           (one["synthetic"], one["held_out"])]  # fmt: skip
    beyond = "yes" if one["beyond_chance"] else "no"
    rows.append(("recognising a patient", "AUC, other images of the nearest patient", *auc, beyond))
    return Table(
        title="What the European guidance asks for",
        columns=(
            "risk",
            "of",
            "on people trained on",
            "on other people",
            "risk beyond the control",
        ),
        rows=rows,
        note="Opinion 05/2014 of the Article 29 Working Party. Risk: (attack - control) /"
        " (1 - control), so that what the population tells of anyone is no risk.",
    )


def _canaries(canaries: Mapping[str, Any]) -> Table:
    rows = [
        (
            f"{group['repeats']} times",
            share(group["extracted"]),
            f"{group['exposure']:.2f} of {group['most_exposure']:.2f} bits",
        )
        for group in canaries["groups"]
    ]
    bound = canaries["epsilon"]
    return Table(
        title="Canaries: known images put into a fine-tuning",
        columns=("trained on", "came back", "exposure"),
        rows=rows,
        note=f"{canaries['note']} At 95 % confidence the training is not epsilon-differentially"
        f" private for any epsilon below {bound['low']:.2f} ({bound['right']} of"
        f" {bound['guesses']} guesses right).",
    )


def _coverage(coverage: Mapping[str, Any]) -> Table:
    rows = [
        (r["kind"], r["class"], share(r["synthetic"]), share(r["real"]), r["standing"])
        for r in coverage["classes"]
        if r["standing"] != "there"
    ]
    there = sum(r["standing"] == "there" for r in coverage["classes"])
    missing = coverage["kinds_without_synthetic_images"]
    return Table(
        title="Coverage: what the synthetic images lack",
        columns=("kind", "class or group", "synthetic", "real", "standing"),
        rows=rows,
        note=f"{there} classes and groups are there as often as in the real images, by interval."
        f" {coverage['unlabelled']} synthetic images say nothing of what they show."
        + (f" Kinds without any: {', '.join(missing)}." if missing else ""),
    )


def _conditions(report: Mapping[str, Any]) -> Table:
    cost, held = report["cost"], report["held_out"]
    unread = sum(len(report[s]["unread"]) for s in ("synthetic", "training", "held_out"))
    rows = [
        ("feature spaces", ", ".join(s["name"] for s in report["spaces"])),
        ("spaces left out", ", ".join(f"{s['name']} ({s['reason']})"
                                      for s in report["spaces_left_out"]) or "none"),
        ("files that could not be read", unread),
        ("held-out images left out", f"{held['left_out_same_patient']} of people trained on,"
         f" {held['left_out_same_file']} files and {held['left_out_same_picture']} pictures that"
         f" are training images, {held['left_out_unknown_patient']} of unknown patients"),
        ("held-out images that may be of people trained on", held["of_unknown_patients"]),
        ("kinds without held-out images", ", ".join(held["kinds_without_null"]) or "none"),
        ("digest of the synthetic images", report["synthetic"]["digest"]),
        ("time", f"{cost['core_seconds']:.0f} core-seconds, {cost['seconds_a_pair']:.2g} a pair"),
        ("memory of the search", f"{cost['peak_bytes_of_search'] / 2**20:.0f} MiB at most"),
        ("growth", cost["growth"]),
        ("not tested", "; ".join(report["not_tested"])),
    ]  # fmt: skip
    return Table(title="Conditions, and what was not tested", columns=("what", "is"), rows=rows)
