"""What people see in a terminal: the reading of a prompt, progress, a summary."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from radsmith.augmentation.plan import TRIES, AugmentPlan
from radsmith.cli.terminal import terminal
from radsmith.evaluation.probe import Answer
from radsmith.files import write_atomically
from radsmith.generation.plan import Plan
from radsmith.generation.run import Outcome
from radsmith.images.contact_sheet import Table as Figures
from radsmith.language.reading import Reading
from radsmith.language.vocabulary import ABSENT, default_vocabulary

if TYPE_CHECKING:
    from radsmith.augmentation.run import Result
    from radsmith.datasets.listed import Listed
    from radsmith.datasets.manifest import Summary
    from radsmith.language.report import Report


@dataclass
class ImageTally:
    """Outcomes as they come in."""

    made: int = 0
    there: int = 0
    failed: list[tuple[int, str, str]] = field(default_factory=list)
    shown: list[Outcome] = field(default_factory=list)
    seconds: float = 0.0


def reading_table(reading: Reading) -> Table:
    """The words of a prompt and what they were read as, with codes."""
    vocabulary = default_vocabulary()
    table = Table(title=Text(reading.text), title_justify="left")
    for heading in ("words", "read as", "kind", "code"):
        table.add_column(heading, overflow="fold")
    for span in reading.spans:
        if not span.concepts:
            table.add_row(Text(span.text), reading.prompt.age_in_words, "age", "")
        for concept_id in span.concepts:
            concept = vocabulary[concept_id.removeprefix(ABSENT)]
            absent = concept_id.startswith(ABSENT) or concept.id in reading.prompt.absent
            name = f"no {concept.name}" if absent else concept.name
            code = f"{concept.code[0]} {concept.code[1]}" if concept.code else ""
            table.add_row(Text(span.text), Text(name), concept.kind.replace("_", " "), code)
    for unknown in reading.unknown:
        near = ", ".join(unknown.suggestions)
        table.add_row(
            Text(unknown.word, style="bold red"),
            Text("not understood", style="bold red"),
            "",
            Text(f"did you mean {near}?" if near else ""),
        )
    return table


def report_table(report: Report) -> Table:
    """Findings of a report with their status and the sentence that says so."""
    vocabulary = default_vocabulary()
    named = [vocabulary[c].name for c in (report.body_part, report.modality) if c]
    table = Table(title=Text(" ".join(named) or "examination not named"), title_justify="left")
    for heading in ("finding", "status", "where and how much", "section", "sentence"):
        table.add_column(heading, overflow="fold")
    style = {"present": "bold", "absent": "dim", "uncertain": "yellow"}
    for found in report.findings:
        places = (found.severity, found.side, *found.sites)
        table.add_row(
            Text(vocabulary[found.concept].name),
            Text(found.status, style=style[found.status]),
            Text(", ".join(vocabulary[c].name for c in places if c)),
            found.section,
            Text("".join(c for c in found.sentence if c.isprintable())),
        )
    return table


def say_reading(console: Console, report: Report) -> None:
    """What of a report was not read, and what was guessed."""
    for warning in report.warnings:
        printable = "".join(c for c in warning if c.isprintable())
        console.print(Text(f"  ! {printable}", style="yellow"), soft_wrap=True)
    if report.unknown:
        words = ", ".join("".join(c for c in w if c.isprintable()) for w in report.unknown)
        console.print(Text(f"  not understood: {words}", style="dim"), soft_wrap=True)


def probe_table(answers: Sequence[Answer]) -> Table:
    """The 17 prompts, how well each was learned and how often the judge agrees."""
    table = Table(title="Probe", title_justify="left")
    for heading in ("prompt", "training images", "standing", "right"):
        table.add_column(heading, overflow="fold")
    for answer in answers:
        right = f"{answer.right} of {len(answer.images)}" if answer.known else "judge cannot tell"
        style = "" if answer.standing == "learned" else "yellow"
        table.add_row(
            Text(answer.plan.text),
            "unknown" if answer.training_images is None else str(answer.training_images),
            Text(answer.standing, style=style),
            right,
        )
    return table


def figures_table(figures: Figures) -> Table:
    """A table of a report, its note below."""
    table = Table(
        title=Text(figures.title),
        title_justify="left",
        caption=Text(figures.note),
        caption_justify="left",
    )
    for heading in figures.columns:
        table.add_column(heading, overflow="fold")
    for row in figures.rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    return table


def say_plan(console: Console, planned: Plan) -> None:
    """The canonical sentence and every warning, on the given console."""
    console.print(Text(planned.canonical, style="bold"), soft_wrap=True)
    for warning in planned.warnings:
        console.print(Text(f"  ! {warning}", style="yellow"), soft_wrap=True)


def say_plans(console: Console, planned: Iterable[Plan]) -> None:
    """The first prompts with their warnings, and how many more have some."""
    plans = {one.canonical: one for one in planned}
    for one in list(plans.values())[:5]:
        say_plan(console, one)
    if len(plans) > 5:
        warned = sum(bool(one.warnings) for one in plans.values())
        console.print(
            f"… and {len(plans) - 5} more prompts; {warned} of all have warnings", soft_wrap=True
        )


def bar(console: Console, *more: ProgressColumn) -> Progress:
    """What is at work, a bar, the count and the times; gone at the end. more: further columns."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, *more, console=console, transient=True)


def watch(
    console: Console, outcomes: Iterable[Outcome], total: int, keep: int, tally: ImageTally
) -> None:
    """Show a progress bar while outcomes come in; the first `keep` images are kept in `tally`."""
    began = time.monotonic()
    with bar(console) as progress:
        task = progress.add_task("generating", total=total)
        for outcome in outcomes:
            if outcome.error is not None:
                job = outcome.job
                tally.failed.append((job.line, job.plan.text, str(outcome.error)))
            elif outcome.image is None:
                tally.there += 1
            else:
                tally.made += 1
            if outcome.error is None and len(tally.shown) < keep:
                tally.shown.append(outcome)
            tally.seconds = time.monotonic() - began
            progress.advance(task)


def summary(tally: ImageTally, folder: Path) -> str:
    """One line: how many, how long, where."""
    parts = []
    if tally.made:
        each = tally.seconds / tally.made
        parts.append(f"{_images(tally.made)} in {tally.seconds:.1f} s ({each:.2f} s each)")
    if tally.there:
        parts.append(f"{_images(tally.there)} already there")
    if tally.failed:
        parts.append(f"{len(tally.failed)} failed")
    return f"{', '.join(parts) or 'nothing to do'}: {folder}"


def write_failures(path: Path, failed: Sequence[tuple[int, str, str]]) -> None:
    """A CSV of what could not be made: line of the list, prompt, reason."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("line", "prompt", "error"))
    writer.writerows(failed)
    write_atomically(path, stream.getvalue().encode())


@contextmanager
def stage_progress(first: str) -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar of a work in stages: call it with stage, done and total (0: not known)."""
    console = terminal()
    with bar(console) as progress:
        task = progress.add_task(first, total=None)
        current = first

        def show(stage: str, done: int, total: int) -> None:
            nonlocal current
            if stage != current:
                progress.reset(task, completed=done)
                current = stage
            progress.update(task, description=stage, completed=done, total=total or None)

        yield show


def import_summary(summary: Summary, folder: Path, problems: Path) -> None:
    """Images, patients, classes with few images, and what was left out by reason."""
    console = terminal()
    splits = ", ".join(f"{n} {split}" for split, n in sorted(summary.splits.items()))
    console.print(
        f"{_images(summary.images)} of {summary.patients} patients ({splits}): {folder}",
        soft_wrap=True,
    )
    for name, count in summary.classes.most_common(12):
        weak = "  ! fewer than 50" if count < 50 else ""
        console.print(f"  {count:>7,} {name}{weak}", soft_wrap=True)
    if len(summary.classes) > 12:
        console.print(f"  … {len(summary.classes)} classes in all: import.json", soft_wrap=True)
    for reason, count in summary.left_out.most_common(8):
        console.print(f"  left out {count:>5,}: {reason}", soft_wrap=True)
    for reason, count in summary.noted.most_common(8):
        console.print(f"  ! noted {count:>5,}: {reason}", soft_wrap=True)
    if summary.left_out or summary.noted:
        console.print(f"each of these, with its reason: {problems}", soft_wrap=True)


def say_listed(listed: Listed) -> None:
    """What a list's columns are taken for; those that say nothing here are named."""
    console = terminal()
    labels = ", ".join(listed.labels) or "none"
    console.print(f"{listed.path}: {len(listed.rows):,} rows; labels: {labels}", soft_wrap=True)
    for column, why in listed.ignored:
        console.print(f"  ! column {column!r} is ignored: it {why}", soft_wrap=True)


def write_problems(path: Path, problems: Sequence[tuple[str, str]]) -> None:
    """A CSV of source files that were left out, with the reason."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("file", "reason"))
    writer.writerows(problems)
    write_atomically(path, stream.getvalue().encode("utf-8", "surrogateescape"))


def augment_table(planned: AugmentPlan, after: Mapping[str, int]) -> Table:
    """Classes that get images or should have got some, before and after; the largest of each."""
    title = Text(f"{planned.goal:,} images a class: {planned.why}")
    table = Table(title=title, title_justify="left")
    room = {True: 12, False: 40}  # lines for classes that are skipped, and for others
    for heading in ("class", "before", "after", "model saw", ""):
        right = heading in ("before", "after", "model saw")
        table.add_column(heading, overflow="fold", justify="right" if right else "left")
    for label in planned.classes:
        skipped = planned.skipped.get(label.name, "")
        if not skipped and after[label.name] == label.size:
            continue
        room[bool(skipped)] -= 1
        if room[bool(skipped)] < 0:
            continue
        said = planned.warned.get(label.name, {})
        notes = [f"{n} images: {warning}" for warning, n in list(said.items())[:2]]
        if not skipped and after[label.name] > 2 * len(label.real):
            notes.insert(0, "more synthetic than real")
        table.add_row(
            Text(label.name),
            f"{label.size:,}",
            f"{after[label.name]:,}",
            "unknown" if label.learned is None else f"{label.learned:,}",
            Text(f"skipped: {skipped}" if skipped else "; ".join(notes), style="yellow"),
        )
    for without, left in room.items():
        if left < 0:
            table.add_row(f"… {-left} more {'are skipped' if without else 'get images'}")
    return table


def augment_summary(result: Result, folder: Path) -> None:
    """What was made and thrown away, and how much that says."""
    console = terminal()
    tally = result.all
    blind = [k for k, found in result.sensitivity.items() if found is not None and found < 0.5]
    lines = (
        (tally.copies, f"{tally.copies} near a real image, drawn again"),
        (tally.disagreeing, f"{tally.disagreeing} not recognised by the judge, drawn again"),
        (tally.dropped, f"! {tally.dropped} given up after {TRIES} tries"),
        (tally.unchecked, f"! {tally.unchecked} of kinds with too few real images to tell copies"),
        (len(blind), f"! fewer than half of planted copies were found in: {'; '.join(blind)}"),
    )
    console.print(f"{_images(tally.made)} added: {folder}", soft_wrap=True)
    for count, line in lines:
        if count:
            console.print(f"  {line}", soft_wrap=True)


def _images(count: int) -> str:
    return f"{count} image{'' if count == 1 else 's'}"
