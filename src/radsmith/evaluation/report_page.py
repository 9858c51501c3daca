"""Evaluations and probes as files: JSON for machines, one HTML page for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.evaluation.fidelity import FEWEST, TOLD, Evaluation
from radsmith.evaluation.noise import BANDS, most_apart
from radsmith.evaluation.probe import Answer
from radsmith.files import write_atomically
from radsmith.images.contact_sheet import Group, Table, Tile, contact_page, contact_sheet
from radsmith.images.image import Image
from radsmith.images.pictures import png_bytes
from radsmith.language.prompt import render
from radsmith.language.vocabulary import default_vocabulary

SHOWN = 4


def write_evaluation(folder: Path, found: Evaluation) -> Path:
    """report.json, samples.png and index.html in `folder`; returns the page."""
    text = json.dumps(found.report, indent=1, ensure_ascii=False) + "\n"
    write_atomically(folder / "report.json", text.encode())
    title = f"Evaluation of {found.report['model']['name']}"
    page = contact_page(title, list(_groups(found)), tables=evaluation_tables(found.report))
    write_atomically(folder / "index.html", page.encode())
    tiles = [
        Tile(image=Image(pixels=drawn.images[i]), caption=f"{what}: {kind}")
        for kind, (drawn, score) in found.drawn.items()
        for what, index in _best_and_worst(score)
        for i in index
    ]
    sheet = contact_sheet(tiles, columns=2 * SHOWN, tile=128, title=title)
    write_atomically(folder / "samples.png", sheet)
    return folder / "index.html"


def evaluation_tables(report: dict[str, Any]) -> list[Table]:
    """Every figure of a report, each beside the same figure for real images."""
    tables = [_distances(report, name) for name in report["kinds"][0]["spaces"]]
    tables += [_alignment(report), _findings(report)]
    tables += [_noise(report)] if all("noise" in kind for kind in report["kinds"]) else []
    if report["sides"]:
        rows = [
            (s["kind"], s["n"], _percent(s["right"]), _percent(s["each_right"]))
            for s in report["sides"]
        ]
        tables.append(
            Table(
                title="Sides",
                columns=("kind", "pairs", "both sides right", "single images right"),
                rows=rows,
                note="Left and right asked of one seed; right when the judge sees each as asked.",
            )
        )
    tables += [_copies(name, found) for name, found in report.get("copies", {}).items()]
    tables += _steps(report)
    tables.append(_judge(report["judge"]))
    return tables


def write_probe(folder: Path, model: str, answers: Sequence[Answer]) -> Path:
    """PNG files, probe.json, a sheet and index.html in `folder`; returns the page."""
    names, groups, files = default_vocabulary(), [], []
    for answer in answers:
        tiles = []
        for i, (image, record) in enumerate(answer.images):
            name = f"{answer.plan.stem}-{record.seed}.png"
            write_atomically(folder / "images" / name, png_bytes(image, record))
            files.append(f"images/{name}")
            said = [names[c].name for c in (answer.body_part[i], answer.modality[i]) if c]
            tiles.append(Tile(image=image, caption=f"judged: {' '.join(said)}", record=record))
        groups.append(Group(title=f"{answer.plan.text} · {answer.standing}", tiles=tiles))
    rows = [_probe_row(answer) for answer in answers]
    report = {"model": model, "prompts": rows}
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    write_atomically(folder / "probe.json", text.encode())
    table = Table(
        title="17 plain prompts",
        columns=("prompt", "training images", "standing", "right", "images"),
        rows=[
            (
                row["prompt"],
                "unknown" if row["training_images"] is None else row["training_images"],
                row["standing"],
                row["right"] if row["judge_knows"] else "the judge cannot tell",
                row["images"],
            )
            for row in rows
        ],
        note="Right: the judge, trained on real images alone, names modality and body part.",
    )
    page = contact_page(f"Probe of {model}", groups, files, tables=[table])
    write_atomically(folder / "index.html", page.encode())
    tiles = [tile for group in groups for tile in group.tiles]
    columns = 2 * len(answers[0].images)
    captioned = [
        Tile(image=t.image, caption=f"{a.plan.text} ({a.standing})", record=t.record)
        for a, group in zip(answers, groups, strict=True)
        for t in group.tiles
    ]
    if len(tiles) <= 17 * 8:
        sheet = contact_sheet(captioned, columns=min(columns, 16), title=f"Probe of {model}")
        write_atomically(folder / "probe.png", sheet)
    return folder / "index.html"


def _probe_row(answer: Answer) -> dict[str, Any]:
    return {
        "prompt": answer.plan.text,
        "read_as": answer.plan.canonical,
        "training_images": answer.training_images,
        "standing": answer.standing,
        "judge_knows": answer.known,
        "images": len(answer.images),
        "right": answer.right if answer.known else None,
        "judged_modality": list(answer.modality),
        "judged_body_part": list(answer.body_part),
        "warnings": list(answer.plan.warnings),
    }


def _groups(found: Evaluation) -> Sequence[Group]:
    groups = []
    for kind, (drawn, score) in found.drawn.items():
        for what, index in _best_and_worst(score):
            tiles = [
                Tile(image=Image(pixels=drawn.images[i]), caption=render(drawn.prompts[i]))
                for i in index
            ]
            groups.append(Group(title=f"{kind}: {what} by the judge", tiles=tiles))
    for space, kind, generated, real, distance in found.closest:
        said = f"{distance:.2f} of the threshold"
        groups.append(
            Group(
                title=f"{kind}: nearest to a training image ({space})",
                tiles=[
                    Tile(image=Image(pixels=generated.astype(np.float32)), caption=said),
                    Tile(image=Image(pixels=real.astype(np.float32)), caption="training image"),
                ],
            )
        )
    return groups


def _best_and_worst(
    score: NDArray[np.float64],
) -> Iterator[tuple[str, NDArray[np.intp]]]:
    order = np.argsort(-score)
    yield "best", order[:SHOWN]
    yield "worst", order[-SHOWN:]


def _distances(report: dict[str, Any], space: str) -> Table:
    rows = []
    for kind in report["kinds"]:
        s = kind["spaces"][space]
        kid, floor = s["kid"], s["kid_real"]
        near, real = s["neighbours"], s["neighbours_real"]
        rows.append(
            (
                kind["kind"],
                kind["n"],
                "-" if s["fd_ratio"] is None else f"{s['fd_ratio']:.2f}",
                f"{s['fd']:.3g} ({s['fd_real']:.3g})",
                f"{kid['estimate']:.3g} [{kid['low']:.3g}, {kid['high']:.3g}]"
                f" ({floor['estimate']:.3g})",
                *(
                    f"{near[name]:.2f} ({real[name]:.2f})"
                    for name in ("precision", "recall", "density", "coverage")
                ),
                f"{kind['ms_ssim']['generated']:.2f} ({kind['ms_ssim']['real']:.2f})",
            )
        )
    return Table(
        title=f"Distances, feature space “{space}”",
        columns=(
            "kind",
            "n",
            "FD ratio",
            "FD (real:real)",
            "KID [95 %] (real:real)",
            "precision (real)",
            "recall (real)",
            "density (real)",
            "coverage (real)",
            "MS-SSIM of pairs (real)",
        ),
        rows=rows,
        note="Two halves of the real images by patient; n generated ones against n real ones. FD"
        " ratio: FD(real, real) / FD(real, generated); 1 is as near as real images are to each"
        " other. In brackets: the other half of the real images in place of the generated ones.",
    )


def _alignment(report: dict[str, Any]) -> Table:
    rows = [
        (
            kind["kind"],
            what.replace("_", " "),
            f["n"],
            _percent(f["generated"]),
            _percent(f["real"]),
        )
        for kind in report["kinds"]
        for what, f in kind["judge"].items()
    ]
    return Table(
        title="What the judge sees",
        columns=("kind", "question", "n", "generated: as asked", "real: as labelled"),
        rows=rows,
        note="The judge was trained on real images alone and is used for nothing but scores.",
    )


def _findings(report: dict[str, Any]) -> Table:
    names = default_vocabulary()
    rows = [
        (
            f["kind"],
            names[f["finding"]].name,
            "unknown" if f["training_images"] is None else f["training_images"],
            f["n"],
            f"{f['auroc']:.2f}",
            "-" if f["auroc_real"] is None else f"{f['auroc_real']:.2f}",
            _percent(f["negation_right"]),
        )
        for f in report["findings"]
    ]
    mean = report.get("findings_mean", {"n": 0})
    if mean["n"]:
        told = f"mean of {mean['n']} told on real"
        rows += [("", told, "", "", f"{mean['auroc']:.2f}", "", _percent(mean["negation_right"]))]
    return Table(
        title="Findings",
        columns=(
            "kind",
            "finding",
            "training images",
            "n each",
            "AUROC",
            "AUROC on real",
            "“no” means no",
        ),
        rows=rows,
        note="AUROC of the judge between images asked with the finding and asked as normal, from"
        " the same labels and seeds; on real: between images of the kind that are labelled with"
        f" and without it, {FEWEST} of each at least. Below {TOLD} there the judge tells nothing"
        " of ours. “No” means no: share of pairs in which the image asked without it looks less"
        " like it.",
    )


def _noise(report: dict[str, Any]) -> Table:
    """Spectra and flat places: what is drawn beside what is real."""
    rows = []
    for kind in report["kinds"]:
        found = kind["noise"]
        if not found:
            continue
        worst = most_apart(found)
        pairs = [
            f"{found[name]['generated']:.3g} ({found[name]['real']:.3g})" if name in found else "-"
            for name in _NOISE
        ]
        told = np.mean([abs(f["auroc"] - 0.5) for f in found.values()])
        floor = np.mean([abs(f["auroc_real"] - 0.5) for f in found.values()])
        rows.append((kind["kind"], *pairs, f"{told:.2f} ({floor:.2f})", worst))
    return Table(
        title="Spectra, grain, speckle and noise",
        columns=("kind", *_NOISE, "told apart (other real)", "by most"),
        rows=rows,
        note="Medians of generated images (of real ones). power: spectral density of a band in dB,"
        " cycles a pixel at 256 pixels; flat: in the flattest tenth of an image that is not black,"
        " what is finer than two pixels: its deviation, that over the brightness, and the"
        " correlation of neighbours. Told apart: mean distance from 0.5 of the AUROC of every"
        " figure, 0 to 0.5.",
    )


_NOISE = (BANDS[-2], BANDS[-1], "slope", "flat scatter", "flat contrast", "flat grain")


def _copies(space: str, found: dict[str, Any]) -> Table:
    rows = [
        (
            k["kind"],
            k["n"],
            k["n_null"],
            k["n_training"],
            _percent(k["nearer"]),
            _percent(k["sensitivity"]),
        )
        for k in found["kinds"]
    ]
    return Table(
        title=f"Copies, feature space “{space}”: {_percent(found['nearer'])} of {found['n']}",
        columns=(
            "kind",
            "generated",
            "null",
            "training images",
            "nearer than the null",
            "planted copies found",
        ),
        rows=rows,
        note="Nearer to a training image (mirrored and cropped views included) than the 1st"
        " percentile of real images of other patients: about 1 % is expected by chance. Planted"
        " copies: mirrored, cropped, brightened, blurred training images; where few are found, a"
        " low share proves little.",
    )


def _steps(report: dict[str, Any]) -> list[Table]:
    rows = []
    for kind in report["kinds"]:
        every = {str(report["settings"]["num_steps"]): kind["spaces"]} | kind.get("steps", {})
        if len(every) > 1:
            rows += [
                (kind["kind"], steps, name, f"{s['kid']['estimate']:.4g}", s["fd_ratio"])
                for steps, spaces in every.items()
                for name, s in spaces.items()
            ]
    columns = ("kind", "steps", "space", "KID", "FD ratio")
    return [Table(title="Steps", columns=columns, rows=rows)] if rows else []


def _judge(accuracy: dict[str, Any]) -> Table:
    rows: list[tuple[str, Any, str]] = [
        (kind.replace("_", " "), g["n"], f"accuracy {_percent(g['accuracy'])}")
        for kind, g in accuracy.get("groups", {}).items()
    ]
    names = default_vocabulary()
    rows += [
        (
            names[c].name,
            f"{f['n_present']} of {f['n_present'] + f['n_absent']}",
            f"AUROC {f['auroc']:.2f}",
        )
        for c, f in accuracy.get("findings", {}).items()
    ]
    return Table(
        title="How right the judge is on real images it never saw",
        columns=("question", "n", "figure"),
        rows=rows,
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
