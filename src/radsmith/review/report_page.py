"""The report of a study in files: HTML for people, JSON for machines, CSV of every answer."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from radsmith.files import prepare_folder, write_atomically
from radsmith.images.contact_sheet import Table, contact_page
from radsmith.review.study import Study
from radsmith.review.verdicts import State

COEFFICIENTS = {
    "krippendorff_alpha": "Krippendorff's alpha",
    "fleiss_kappa": "Fleiss κ",
    "cohen_kappa": "Cohen κ (Conger's for more readers)",
    "weighted_kappa": "weighted κ",
    "gwet_ac1": "Gwet AC1",
    "gwet_ac2": "Gwet AC2",
}
RATING_COLUMNS = (
    "case", "reader", "phase", "repeat", "kind", "group", "source", "verdict", "guess",
    "confidence", "scores", "artefacts", "why", "diagnosis", "note", "marks", "seconds", "at", "by",
    "rubric", "file",
)  # fmt: skip


def write_report(folder: Path, found: Mapping[str, Any], study: Study, state: State) -> list[Path]:
    """report.html, report.json and ratings.csv in `folder`; their paths."""
    prepare_folder(folder)
    text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    files = {
        "report.html": report_html(found),
        "report.json": text,
        "ratings.csv": ratings_csv(rating_rows(study, state)),
    }
    for name, content in files.items():
        write_atomically(folder / name, content.encode())
    return [folder / name for name in files]


def rating_rows(study: Study, state: State) -> list[dict[str, str]]:
    """Every answer that stands, a row each; lists and marks as JSON."""
    rows = []
    for answered in state.answers.values():
        read, answer, case = answered.read, answered.answer, study.by_id[answered.read.case]
        row = dict.fromkeys(RATING_COLUMNS, "") | {
            "case": case.id,
            "reader": read.reader,
            "phase": str(read.phase),
            "repeat": str(int(read.repeat)),
            "kind": case.kind,
            "group": case.group,
            "source": case.source,
            "seconds": "" if answered.seconds is None else f"{answered.seconds:g}",
            "at": answered.at,
            "by": answered.by,
            "rubric": study.rubric.digest,
            "file": case.file,
        }
        for name in ("verdict", "guess", "confidence", "diagnosis", "note"):
            row[name] = str(answer.get(name) or "")
        for name in ("scores", "artefacts", "why", "marks"):
            if answer.get(name):
                row[name] = json.dumps(answer[name], ensure_ascii=False)
        rows.append(row)
    return sorted(rows, key=lambda row: (row["reader"], row["phase"], row["at"]))


def ratings_csv(rows: Sequence[Mapping[str, str]]) -> str:
    """A CSV that a spreadsheet does not take for formulas."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, RATING_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {k: f"'{v}" if v.startswith(("=", "@", "+")) else v for k, v in row.items()}
        )
    return stream.getvalue()


def report_html(found: Mapping[str, Any]) -> str:
    """One page."""
    tables = [*_heading(found), *_agreement(found), _self(found), _realism(found)]
    tables += [_scores(found), _acceptance(found), _artefacts(found), _progress(found)]
    return contact_page(f"Review: {found['study']}", [], tables=[t for t in tables if t])


def percent(figure: Mapping[str, Any] | None) -> str:
    """Such as "34 of 50: 68 % (53–80 %)"."""
    if not figure or figure["value"] is None:
        return "–"
    low, high = (100 * bound for bound in figure["interval"])
    said = f"{figure['count']} of {figure['of']}: {100 * figure['value']:.0f} %"
    return f"{said} ({low:.0f}–{high:.0f} %)"


def coefficient(figure: Mapping[str, Any] | None) -> str:
    """Such as "0.72 (0.61 to 0.83)"."""
    if not figure or figure["value"] is None:
        return "undefined"
    if figure["interval"] is None:
        return f"{figure['value']:.2f}"
    return "{:.2f} ({:.2f} to {:.2f})".format(figure["value"], *figure["interval"])


def _heading(found: Mapping[str, Any]) -> list[Table]:
    cases, simulated = found["cases"], set(found["simulated_readers"])
    who = ", ".join(f"{r} (SIMULATED)" if r in simulated else r for r in found["readers"])
    rows: list[tuple[str, object]] = [
        ("readers", who),
        ("images; hidden real ones; planted", _counts(cases, "synthetic", "control", "planted")),
        ("readers a case; phases", f"{found['design']['reads']}; {found['design']['phases']}"),
        ("rubric", f"{found['rubric']['name']} {found['rubric']['version']}"),
        ("log", found["log_head"]),
    ]
    rules = [
        (rule, n["accept"], n["reject"], n["undecided"])
        for rule, n in found["outcomes"].items()
        if "accept" in n
    ]
    settle = found["outcomes"]["to_settle"]
    named = ", ".join(sorted(simulated))
    warning = f"SIMULATED, programs and no experts: {named}. " if simulated else ""
    return [
        Table(
            title="The study",
            columns=("", ""),
            rows=rows,
            note=warning + "All figures speak of these readers alone, not of readers at large.",
        ),
        Table(
            title="Outcome by rule",
            columns=("rule", "accepted", "rejected", "undecided"),
            rows=rules,
            note=f"{settle['cases']} cases on which readers differ wait for a third;"
            f" {settle['settled']} are settled.",
        ),
    ]


def _counts(cases: Mapping[str, int], *kinds: str) -> str:
    return "; ".join(str(cases.get(kind, 0)) for kind in kinds)


def _agreement(found: Mapping[str, Any]) -> Iterable[Table]:
    for question, parts in found["agreement"].items():
        if parts:
            yield Table(
                title=f"Agreement between readers: {question}",
                columns=("cases of", "n", *COEFFICIENTS.values()),
                rows=[
                    (part, f["cases"], *(coefficient(f[key]) for key in COEFFICIENTS))
                    for part, f in parts.items()
                ],
                note=_meaning(question),
            )


def _meaning(question: str) -> str:
    """What a figure near 0 means here, in plain words."""
    common = (
        "1 is full agreement, 0 as much as by chance. Where nearly all images get the same answer,"
        " κ and alpha fall towards 0 although readers agree, and AC1 does not: look at both."
    )
    if question == "realism":
        return (
            common
            + " Near 0 for realism can be good news: readers find no sign by which to part the"
            " images. It can also mean that the scale is not understood: compare it with the same"
            " reader's repeats."
        )
    return (
        common + " Near 0 here is bad news: what one reader accepts, another would not, and one"
        " reader's verdict says little."
    )


def _self(found: Mapping[str, Any]) -> Table | None:
    rows = [
        (question, who, percent(f["same"]), coefficient(f["cohen_kappa"]))
        for question, readers in found["same_reader"].items()
        for who, f in readers.items()
    ]
    if not rows:
        return None
    return Table(
        title="The same reader twice",
        columns=("question", "reader", "same answer", "Cohen κ"),
        rows=rows,
        note="From cases that came twice without being announced. A reader who does not agree with"
        " himself cannot agree with others.",
    )


def _realism(found: Mapping[str, Any]) -> Table | None:
    realism = found["realism"]
    if not realism["accuracy"]["of"]:
        return None
    rows = [
        ("all answers", percent(realism["accuracy"])),
        ("real images called real", percent(realism["real_called_real"])),
        ("made images called made", percent(realism["synthetic_called_synthetic"])),
    ]
    for kind in ("reader", "class", "source"):
        rows += [(f"{kind}: {name}", percent(f)) for name, f in realism[f"by_{kind}"].items()]
    kappa = coefficient(realism["kappa_with_truth"])
    return Table(
        title="Real or made? Right answers",
        columns=("", "right (exact 95 % interval)"),
        rows=rows,
        note=f"κ with the truth: {kappa}. Near 0 means that readers cannot tell made from real,"
        " which is the aim; for a diagnosis the same figure would mean that it is guesswork."
        " Intervals take the answers of a reader as independent.",
    )


def _scores(found: Mapping[str, Any]) -> Table | None:
    rows = []
    for kind, figures in found["scores"].items():
        means = ", ".join(f"{k} {v:+.1f}" for k, v in figures["mean"].items() if v is not None)
        rows.append((kind, "all", percent(figures["accepted"]), means))
        for reader, accepted in figures["accepted_by_reader"].items():
            rows.append((kind, reader, percent(accepted), ""))
    for kind, figure in found["diagnosis"].items():
        rows.append((kind, "right diagnosis", percent(figure), ""))
    return Table(
        title="Verdicts and mean scores",
        columns=("images", "reader", "accepted", "mean scores (-2 to +2)"),
        rows=rows,
        note="Compare made images with the hidden real ones: what readers object to there, too, is"
        " no fault of the model.",
    )


def _acceptance(found: Mapping[str, Any]) -> Table:
    a = found["acceptance"]
    rows: list[tuple[str, object]] = [
        ("images in the lot", a["lot"]),
        ("drawn at random and read by all their readers", a["read_at_random"]),
        (f"of these not accepted ({a['rule']})", a["not_accepted"]),
    ]
    for key, words in (
        ("upper_bound", "defective in the lot, at most"),
        ("rest_upper_bound", "defective among what was not read, at most"),
        ("upper_bound_with_sensitivity", "the same for the lot, with what readers overlook"),
    ):
        if key in a:
            rows.append((words, f"{a[key]:.2%}"))
    if "planted" in a:
        p = a["planted"]
        rows.append(
            ("planted defects found", f"{p['found']} of {p['of']}: at least {p['at_least']:.0%}")
        )
    return Table(
        title="Acceptance",
        columns=("", ""),
        rows=rows,
        note="Exact one-sided bounds of 95 % confidence (hypergeometric). What is undecided counts"
        " as defective. Without planted defects it is assumed that readers overlook nothing.",
    )


def _artefacts(found: Mapping[str, Any]) -> Table | None:
    rows = [
        (kind, name, percent(figure))
        for kind, names in found["artefacts"].items()
        for name, figure in names.items()
    ]
    if not rows:
        return None
    return Table(title="Artefacts named", columns=("images", "artefact", "of reads"), rows=rows)


def _progress(found: Mapping[str, Any]) -> Table:
    pace = found["pace_seconds"]
    rows = [
        (p["reader"], p["phase"], f"{p['done']} of {p['of']}", f"{pace.get(p['reader'], 0):.1f} s")
        for p in found["progress"]
    ]
    return Table(
        title="Progress", columns=("reader", "phase", "read", "median time an image"), rows=rows
    )
