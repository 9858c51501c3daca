"""Usefulness as one page: what helped, what did not, and by how much it is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from radsmith.evaluation.utility.arms import REAL
from radsmith.images.contact_sheet import Table, contact_page

NOTE = (
    "AUROC on one fixed set of real images of other patients, mean over seeds; intervals by"
    " bootstrap over patients. Gain: difference to real images alone on the same patients and real"
    " training images; where its interval holds 0 nothing is shown."
)


def utility_page(report: Mapping[str, Any]) -> str:
    """The report as one self-contained HTML page."""
    lead = [
        report["sentence"],
        f"Tasks: {len(report['tasks'])}; seeds: {report['seeds']}; backbones:"
        f" {', '.join(report['backbones'])}; {report['made']}.",
        NOTE,
        f"Taken out first: {report['leakage']['training_images_of_test_patients']} training images"
        f" of test patients, {report['leakage']['synthetic_copies_of_test_images']} synthetic"
        " images that are as near to a test image as copies are (about"
        f" {report['leakage']['expected_by_chance']} by chance). Left out as backbones:"
        f" {report['left_out'] or 'none'}.",
    ]
    return contact_page("Usefulness of synthetic images", [], tables=utility_tables(report),
                        lead=lead)  # fmt: skip


def utility_tables(report: Mapping[str, Any]) -> list[Table]:
    """For each task the arms at all real images, then the learning curves and subgroups."""
    tables = []
    for task in report["tasks"]:
        tables += [_arms(task), _curve(task), _groups(task)]
    return tables


def said(figures: Mapping[str, float], digits: int = 3) -> str:
    """Such as "0.912 (0.880-0.940)"."""
    value, low, high = (f"{figures[k]:.{digits}f}" for k in ("estimate", "low", "high"))
    return f"{value} ({low} to {high})"


def _arms(task: Mapping[str, Any]) -> Table:
    rows = []
    for curve in task["curves"]:
        largest = max(
            c["real_images"] for c in task["curves"] if c["backbone"] == curve["backbone"]
        )
        if curve["real_images"] != largest:
            continue
        for row in curve["rows"]:
            severity = ", ".join(
                f"{s} {100 * v['recall']:.0f} % of {v['n']}"
                for s, v in row["recall_by_severity"].items()
            )
            rows.append(
                (
                    curve["backbone"],
                    row["finding"],
                    row["arm"],
                    said(row["auroc_interval"]),
                    "-" if row["gain"] is None else said(row["gain"]),
                    f"{row['auprc']:.3f}",
                    f"{row['calibration_error']:.3f}",
                    f"{100 * row['recall']:.0f} %",
                    f"{100 * row['specificity']:.0f} %",
                    severity or "-",
                )
            )
    n = task["n"]
    return Table(
        title=task["task"],
        columns=("backbone", "finding", "trained on", "AUROC", "gain over real alone", "AUPRC",
                 "calibration error", "recall", "specificity", "recall by severity"),
        rows=rows,
        note=f"{n['real']} real and {n['synthetic']} synthetic images to train on, {n['test']} real"
        " ones to test on.",
    )  # fmt: skip


def _curve(task: Mapping[str, Any]) -> Table:
    arms = list(dict.fromkeys(r["arm"] for c in task["curves"] for r in c["rows"]))
    rows = []
    for curve in task["curves"]:
        for finding in dict.fromkeys(r["finding"] for r in curve["rows"]):
            by_arm = {r["arm"]: r["auroc"] for r in curve["rows"] if r["finding"] == finding}
            figures = [f"{by_arm[a]:.3f}" if a in by_arm else "-" for a in arms]
            rows.append((curve["backbone"], finding, curve["real_images"], *figures))
    return Table(
        title=f"Learning curves, AUROC — {task['task']}",
        columns=("backbone", "finding", "real images", *arms),
        rows=rows,
    )


def _groups(task: Mapping[str, Any]) -> Table:
    rows = []
    for curve in task["curves"][-1:]:
        for row in curve["rows"]:
            if row["arm"] not in (REAL, "mixed 1:1", "pretrained, then real"):
                continue
            gaps = ", ".join(f"{k} {v:.3f}" for k, v in row["gaps"].items())
            groups = ", ".join(f"{g['group']} {g['auroc']:.3f} (n {g['n']})" for g in row["groups"])
            rows.append((curve["backbone"], row["finding"], row["arm"], groups or "-", gaps or "-"))
    return Table(
        title=f"Subgroups — {task['task']}",
        columns=("backbone", "finding", "trained on", "AUROC", "largest gap"),
        rows=rows,
        note="Groups of 20 test images or more, 5 or more with and without the finding.",
    )


def sentence(tasks: Sequence[Mapping[str, Any]]) -> str:
    """What may be said of all tasks together, by rule: gains whose interval lies beyond 0."""
    better, worse, total = 0, 0, 0
    for task in tasks:
        for curve in task["curves"]:
            for row in curve["rows"]:
                if row["gain"] is None or row["arm"] in ("real and augmented", "synthetic"):
                    continue
                total += 1
                better += row["gain"]["low"] > 0
                worse += row["gain"]["high"] < 0
    return (
        f"Adding synthetic images to real ones raised the AUROC for sure in {better} of {total}"
        f" comparisons, lowered it for sure in {worse}, in {total - better - worse} nothing can be"
        f" shown; by chance about {0.025 * total:.0f} would seem sure either way."
    )
