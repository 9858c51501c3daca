"""Commands that make images: generate, demo; and those that explain what was made."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from radsmith.cli.options import ENGINE, GUIDANCE, MODEL, STEPS, WORKERS, model_of, out
from radsmith.errors import InvalidInput

if TYPE_CHECKING:
    from radsmith.engines.choice import Choice
    from radsmith.generation.plan import Plan
    from radsmith.generation.prompt_list import Row
    from radsmith.generation.run import ImageJob
    from radsmith.images.provenance import Settings

FORMATS = ("png", "png16", "dicom", "npy")
INTERRUPTED = 130


@click.command()
@click.argument("prompt", required=False)
@click.option("-n", "count", type=click.IntRange(1), default=1, help="Images per prompt.")
@click.option("--seed", type=int, default=0, help="Seed of the first image; the rest count up.")
@STEPS
@GUIDANCE
@click.option("--sampler", default="multistep", help="multistep (second order) or euler.")
@click.option("--size", "size_text", help="WIDTHxHEIGHT; default: as is natural.")
@click.option("--format", "format_", type=click.Choice(FORMATS), default="png")
@out("out")
@click.option("--from", "list_file", type=click.Path(path_type=Path), help="CSV of prompts.")
@WORKERS
@click.option("--strict", is_flag=True, help="Refuse what is not understood or weakly learned.")
@click.option("--force", is_flag=True, help="Overwrite files made with other settings.")
@click.option("--sheet/--no-sheet", default=True, help="Contact sheet of several images.")
@ENGINE
@MODEL
def generate(
    prompt: str | None,
    count: int,
    seed: int,
    steps: int | None,
    guidance: float | None,
    sampler: str,
    size_text: str | None,
    format_: str,
    folder: Path,
    list_file: Path | None,
    workers: int,
    strict: bool,
    force: bool,
    sheet: bool,
    engine: str | None,
    model: Path | None,
) -> None:
    """Make images of PROMPT, such as "chest x-ray, PA view, adult, normal".

    With --from FILE.csv the prompts come from its column `prompt`; columns n, seed, name, steps,
    guidance, sampler and size are optional. Run the same command again to go on after a stop.
    """
    from radsmith.engines.choice import chosen
    from radsmith.engines.engine import check_size
    from radsmith.files import prepare_folder
    from radsmith.generation.prompt_list import Row, parse_size, read_list

    if (prompt is None) == (list_file is None):
        raise InvalidInput('give a prompt, or a list with --from: radsmith generate "knee x-ray"')
    size = parse_size(size_text) if size_text else None
    choice = chosen(engine, model)
    drawing = model_of(choice)
    settings = drawing.settings(steps=steps, guidance=guidance, sampler=sampler, size=size)
    check_size(size, drawing.facts.sides)
    rows = [Row(line=0, prompt=prompt or "", count=count, seed=seed, settings=settings)]
    plans: list[Plan | None] = []
    failed: list[tuple[int, str, str]] = []
    if list_file is not None:
        rows = read_list(list_file, count, seed, settings)
    for row in rows:
        try:
            if row.error:
                raise InvalidInput(row.error)
            plans.append(drawing.plan(row.prompt, strict=strict, size=row.settings.size))
        except InvalidInput as error:
            if list_file is None:
                raise
            plans.append(None)
            failed.append((row.line, row.prompt, str(error)))
    prepare_folder(folder)
    jobs = _jobs(rows, plans, folder, format_)
    _run(jobs, failed, folder, sheet, workers=workers, force=force, choice=choice)


def _jobs(rows: list[Row], plans: list[Plan | None], folder: Path, format_: str) -> list[ImageJob]:
    from radsmith.generation.run import ImageJob
    from radsmith.images.provenance import Request

    jobs: dict[tuple[Path, Settings, str], ImageJob] = {}
    for row, planned in zip(rows, plans, strict=True):
        if planned is None:
            continue
        for number in range(row.seed, row.seed + row.count):
            request = Request(prompt=row.prompt, seed=number, settings=row.settings)
            path = folder / f"{row.name or planned.stem}-{number}"
            job = ImageJob(plan=planned, request=request, path=path, formats=(format_,))
            jobs.setdefault((path, row.settings, planned.canonical), job)
    return list(jobs.values())


def _run(
    jobs: list[ImageJob],
    failed: list[tuple[int, str, str]],
    folder: Path,
    sheet: bool,
    *,
    workers: int,
    force: bool,
    choice: Choice,
) -> None:
    """Make all jobs; say what happened; exit 2 where some failed, 130 after Ctrl-C."""
    from radsmith.cli.console import ImageTally, say_plan, summary, watch, write_failures
    from radsmith.cli.sheets import MOST_TILES, write_sheet
    from radsmith.cli.terminal import terminal
    from radsmith.generation.run import run_jobs

    console = terminal()
    plans = {job.plan.canonical: job.plan for job in jobs}
    for planned in list(plans.values())[:5]:
        say_plan(console, planned)
    if len(plans) > 5:
        warned = sum(bool(p.warnings) for p in plans.values())
        console.print(
            f"… and {len(plans) - 5} more prompts; {warned} of all have warnings", soft_wrap=True
        )
    tally = ImageTally(failed=failed)
    try:
        outcomes = run_jobs(jobs, model=choice, workers=workers, force=force)
        watch(console, outcomes, len(jobs), MOST_TILES, tally)
    except KeyboardInterrupt:
        done = f"stopped; {tally.made + tally.there} of {len(jobs)} images are whole in {folder}"
        console.print(f"{done}. Run the same command again to go on.", soft_wrap=True)
        sys.exit(INTERRUPTED)
    if len(jobs) == 1 and tally.failed:
        raise InvalidInput(tally.failed[0][2])
    order = {job.path: number for number, job in enumerate(jobs)}
    tally.shown.sort(key=lambda outcome: order[outcome.job.path])
    if sheet and len(tally.shown) > 1:
        path = folder / "contact-sheet.png"
        write_sheet(path, tally.shown, f"radsmith · {len(plans)} prompt(s)")
        console.print(f"contact sheet: {path}", soft_wrap=True)
    for outcome in tally.shown[:20]:
        click.echo(outcome.job.files[0])
    if len(jobs) > 20:
        click.echo(f"… {len(jobs)} in all")
    console.print(summary(tally, folder), soft_wrap=True)
    if tally.failed:
        path = folder / "failures.csv"
        write_failures(path, tally.failed)
        _fail(f"{len(tally.failed)} failed, listed in {path}; the first: {tally.failed[0][2]}")


def _fail(message: str) -> NoReturn:
    raise InvalidInput(message)


@click.command()
@click.argument("prompt")
@MODEL
def explain(prompt: str, model: Path | None) -> None:
    """Show how PROMPT is read, and what the model knows of it."""
    from radsmith.cli.console import reading_table, say_plan
    from radsmith.cli.terminal import terminal
    from radsmith.language.reading import read_prompt

    console = terminal(results=True)
    asked = model_of(model)
    reading = read_prompt(prompt)
    if not reading.language:
        console.print(reading_table(reading))
    say_plan(console, asked.plan(prompt))


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
def inspect(file: Path) -> None:
    """Print the provenance record of FILE (PNG, DICOM or NPY) as JSON."""
    import json

    from radsmith.images.pictures import read_record

    record = json.loads(read_record(file).to_json())
    click.echo(json.dumps(record, indent=1, ensure_ascii=False))


@click.command()
@out("demo-output")
@WORKERS
def demo(folder: Path, workers: int) -> None:
    """Make four images of each of 25 prompts as PNG and DICOM, with sheets to look at."""
    from radsmith.cli.demo import run_demo

    run_demo(folder, workers)
