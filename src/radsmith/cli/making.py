"""Commands that make images: generate, demo; and those that explain what was made."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from radsmith.cli.options import (
    ENGINE,
    GUIDANCE,
    MODEL,
    RAY,
    SIGN,
    STEPS,
    WATERMARK,
    WORKERS,
    Place,
    model_of,
    out,
)
from radsmith.errors import InvalidInput

if TYPE_CHECKING:
    from radsmith.cli.sharding import Crew
    from radsmith.engines.choice import Choice
    from radsmith.generation.plan import Plan
    from radsmith.generation.prompt_list import Row
    from radsmith.generation.run import ImageJob
    from radsmith.marks.signing import Marks

FORMATS = ("png", "png16", "dicom", "npy")
INTERRUPTED = 130
MOST_IMAGES = 100_000
"""Of one prompt."""


@click.command()
@click.argument("prompt", required=False)
@click.option(
    "-n", "count", type=click.IntRange(1, MOST_IMAGES), default=1, help="Images per prompt."
)
@click.option("--seed", type=int, default=0, help="Seed of the first image; the rest count up.")
@STEPS
@GUIDANCE
@click.option("--sampler", default="multistep", help="multistep (second order) or euler.")
@click.option("--size", "size_text", help="WIDTHxHEIGHT; default: as is natural.")
@click.option("--format", "format_", type=click.Choice(FORMATS), default="png")
@click.option("-o", "place", type=Place(), default="out", help="A folder, s3://… or gs://….")
@click.option("--from", "list_file", type=click.Path(path_type=Path), help="CSV of prompts.")
@click.option("--shards", type=click.IntRange(1, 10**6), help="Write so many shards, not files.")
@click.option("--shard", type=click.IntRange(min=0), help="Make this one alone, from 0.")
@click.option("--as", "kind", type=click.Choice(("webdataset", "parquet")), default="webdataset",
              help="Kind of the shards.")  # fmt: skip
@WORKERS
@RAY
@click.option("--strict", is_flag=True, help="Refuse what is not understood or weakly learned.")
@click.option("--force", is_flag=True, help="Overwrite files made with other settings.")
@click.option("--sheet/--no-sheet", default=True, help="Contact sheet of several images.")
@SIGN
@WATERMARK
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
    place: str,
    list_file: Path | None,
    shards: int | None,
    shard: int | None,
    kind: str,
    workers: int,
    ray: str,
    strict: bool,
    force: bool,
    sheet: bool,
    sign: Path | None,
    watermark: bool,
    engine: str | None,
    model: Path | None,
) -> None:
    """Make images of PROMPT, such as "chest x-ray, PA view, adult, normal".

    With --from FILE.csv the prompts come from its column `prompt`; columns n, seed, name, steps,
    guidance, sampler and size are optional. Run the same command again to go on after a stop.

    With --shards N the images go into N tar files (or --as parquet) of one place that any number
    of processes and machines may fill with this same command, each shard exactly once: see
    docs/scale.md. A SLURM array's tasks share the shards among them.
    """
    from radsmith.engines.choice import chosen
    from radsmith.engines.engine import check_size
    from radsmith.files import prepare_folder
    from radsmith.generation.prompt_list import Row, parse_size, read_list
    from radsmith.marks.signing import Marks

    if prompt is not None and list_file is not None:
        raise InvalidInput(
            f"a prompt and a list were given: leave out “{prompt[:80]}” or --from {list_file}"
        )
    if prompt is None and list_file is None:
        raise InvalidInput('give a prompt, or a list with --from: radsmith generate "knee x-ray"')
    size = None if size_text is None else parse_size(size_text)
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
    marks = Marks(key=sign, watermark=watermark)
    if shards is not None:
        from radsmith.cli.sharding import Crew

        output = (place, shards, kind, format_)
        crew = Crew(workers=workers, ray=ray, shard=shard)
        _run_sharded(rows, plans, failed, marks, choice, output, crew)
        return
    if shard is not None or "://" in place:
        needs = "--shard" if shard is not None else place
        raise InvalidInput(f"{needs} needs --shards N: how many files hold the images")
    folder = Path(place)
    marks.check()
    prepare_folder(folder)
    jobs = _jobs(rows, plans, (folder, format_, marks), failed)
    _run(jobs, failed, folder, sheet, workers=workers, force=force, choice=choice, ray=ray)


def _run_sharded(
    rows: list[Row],
    plans: list[Plan | None],
    failed: list[tuple[int, str, str]],
    marks: Marks,
    choice: Choice,
    output: tuple[str, int, str, str],
    crew: Crew,
) -> None:
    """output: place, number and kind of shards, format of the pictures."""
    from radsmith.cli.sharding import run_sharded
    from radsmith.generation import sharded

    if failed:
        line, _, reason = failed[0]
        raise InvalidInput(
            f"{len(failed)} lines cannot be used, nothing was made; line {line}: {reason}"
        )
    if marks.key is not None:
        raise InvalidInput(
            "--sign and --shards cannot be given together: a credential is another each time; sign"
            " the bundle with `radsmith release`"
        )
    place, shards, kind, format_ = output
    request = sharded.ShardedRequest(
        out=sharded.place(place),
        rows=tuple(rows),
        plans=tuple(planned for planned in plans if planned is not None),
        shards=shards,
        kind=kind,
        format=format_,
        choice=choice,
        watermark=marks.watermark,
    )
    run_sharded(request, crew)


def _jobs(
    rows: list[Row],
    plans: list[Plan | None],
    where: tuple[Path, str, Marks],
    failed: list[tuple[int, str, str]],
) -> list[ImageJob]:
    """A job an image; what two rows would write under one name fails by its line.

    where: folder, format, and marks to put on files.
    """
    from radsmith.generation.prompt_list import told_apart
    from radsmith.generation.run import ImageJob
    from radsmith.images.provenance import Request

    folder, format_, marks = where
    jobs: dict[str, ImageJob] = {}
    for row, planned in zip(rows, plans, strict=True):
        if planned is None:
            continue
        for number in range(row.seed, row.seed + row.count):
            request = Request(prompt=row.prompt, seed=number, settings=row.settings)
            path = folder / f"{row.name or planned.stem}-{number}"
            job = ImageJob(
                plan=planned,
                request=request,
                path=path,
                formats=(format_,),
                line=row.line,
                marks=marks,
            )
            first = jobs.setdefault(path.name, job)
            if first.plan.canonical == planned.canonical and first.request.settings == row.settings:
                continue  # this one, or the same asked twice
            if row.name:
                said = f"“{path.name}” is what line {first.line} writes already"
                failed.append((row.line, row.prompt, f"{said}: give another name or seed"))
                continue
            differs = told_apart(row.settings, first.request.settings)
            path = folder / f"{planned.stem}{differs}-{number}"
            jobs.setdefault(path.name, replace(job, path=path))
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
    ray: str,
) -> None:
    """Make all jobs; say what happened; exit 2 where some failed, 130 after Ctrl-C."""
    from radsmith.cli.console import ImageTally, say_plans, summary, watch, write_failures
    from radsmith.cli.sheets import MOST_TILES, write_sheet
    from radsmith.cli.terminal import terminal
    from radsmith.generation.run import run_jobs
    from radsmith.images.marks import SHEET_NAME

    console = terminal()
    plans = {job.plan.canonical: job.plan for job in jobs}
    say_plans(console, plans.values())
    tally = ImageTally(failed=failed)
    try:
        outcomes = run_jobs(jobs, model=choice, workers=workers, force=force, ray=ray)
        watch(console, outcomes, len(jobs), MOST_TILES, tally)
    except KeyboardInterrupt:
        done = f"stopped; {tally.made + tally.there} of {len(jobs)} images are whole in {folder}"
        console.print(f"{done}. Run the same command again to go on.", soft_wrap=True)
        sys.exit(INTERRUPTED)
    if tally.failed and not tally.failed[0][0] and len(jobs) == 1:
        raise InvalidInput(tally.failed[0][2])
    order = {job.path: number for number, job in enumerate(jobs)}
    tally.shown.sort(key=lambda outcome: order[outcome.job.path])
    if sheet and len(tally.shown) > 1:
        path = folder / SHEET_NAME
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
        line, _, reason = min(tally.failed, key=lambda failure: failure[0])
        first = f"line {line}: {reason}" if line else reason
        raise InvalidInput(f"{len(tally.failed)} failed, listed in {path}; the first: {first}")


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
@click.option("--key", "key_file", type=click.Path(path_type=Path),
              help="The signer's .pub file: whose credentials to trust.")  # fmt: skip
def inspect(file: Path, key_file: Path | None) -> None:
    """Say whether FILE is marked as synthetic, by which mark, and print its record as JSON.

    Looks for content credentials, the watermark (in JPEG and WebP too), the record, and what DICOM
    and IPTC declare. That no mark is found does not show that an image is real. Of a contact sheet:
    a list of the records of its images.
    """
    import json

    from radsmith.images.pictures import read_sheet
    from radsmith.marks.detection import look
    from radsmith.marks.keys import load_public

    listed = [json.loads(record.to_json()) for record in read_sheet(file)]
    if listed:
        click.echo(json.dumps(listed, indent=1, ensure_ascii=False))
        return
    found = look(file, load_public(key_file) if key_file else None)
    said = json.loads(found.record.to_json()) if found.record else {}
    click.echo(json.dumps(said | {"marks": found.to_dict()}, indent=1, ensure_ascii=False))


@click.command()
@out("demo-output")
@WORKERS
@click.option("--release", is_flag=True, help="The walk to a signed bundle, checked and loaded.")
def demo(folder: Path, workers: int, release: bool) -> None:
    """Make four images of each of 25 prompts as PNG and DICOM, with sheets to look at."""
    if release:
        from radsmith.cli.release_demo import run_release_demo

        run_release_demo(folder, workers)
        return
    from radsmith.cli.demo import run_demo

    run_demo(folder, workers)
