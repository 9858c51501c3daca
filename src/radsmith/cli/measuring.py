"""Commands that measure a model: evaluate, probe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from radsmith.cli.options import ENGINE, GUIDANCE, STEPS
from radsmith.errors import InvalidInput

if TYPE_CHECKING:
    from radsmith.engines.engine import Engine
    from radsmith.evaluation.features import Space
    from radsmith.evaluation.fidelity import Options, Progress
    from radsmith.evaluation.judge import Judge
    from radsmith.evaluation.octaves import OctaveOptions
    from radsmith.evaluation.real_set import RealSet
    from radsmith.evaluation.rebuild import RebuildOptions


@click.group(invoke_without_command=True, subcommand_metavar="[utility …]")
@click.option("--data", type=click.Path(path_type=Path), help="Real images; required.")
@click.option("-o", "folder", type=click.Path(path_type=Path), default=Path("report"))
@click.option("--split", type=click.Choice(("test", "train")), default="test")
@click.option("--features", default="judge,pixels", help="judge, pixels, paths to .onnx encoders.")
@click.option("--per-kind", type=click.IntRange(20), default=400, help="Most real images a kind.")
@click.option("--per-finding", type=click.IntRange(5), default=25, help="Prompt pairs a finding.")
@click.option("--octaves", is_flag=True, help="The octave table alone: at which scale images fail.")
@click.option("--kind", "kinds", multiple=True, help="Of --octaves: such as “adult chest x-ray”.")
@click.option("-n", "each", type=click.IntRange(30), help="Of --octaves: images a kind; 60.")
@click.option("--steps", help="Denoising steps; further numbers (8,16) are compared.")
@GUIDANCE
@ENGINE
@click.option("--model", type=click.Path(path_type=Path), help="Folder of another model.")
@click.option("--seed", type=int, default=0)
@click.option("--copies/--no-copies", default=True, help="Search the training images for copies.")
@click.option("--judge", "judge_file", type=click.Path(path_type=Path), help="Another judge.json.")
@click.pass_context
def evaluate(
    context: click.Context,
    data: Path | None,
    folder: Path,
    split: str,
    features: str,
    per_kind: int,
    per_finding: int,
    octaves: bool,
    kinds: tuple[str, ...],
    each: int | None,
    steps: str | None,
    guidance: float | None,
    engine: str | None,
    model: Path | None,
    seed: int,
    copies: bool,
    judge_file: Path | None,
) -> None:
    """Compare a model's images with real ones.

    DATA holds test.csv and train.csv with their tar shards. Writes index.html, report.json and
    samples.png; with --octaves, octaves.html and octaves.json. Whether synthetic images help to
    train classifiers is measured by `radsmith evaluate utility`.
    """
    if context.invoked_subcommand is not None:
        return
    if data is None:
        raise click.UsageError("Missing option '--data'.")
    from radsmith.engines.choice import chosen, load_engine, settings_for
    from radsmith.evaluation.fidelity import Options
    from radsmith.evaluation.judge_files import load_judge, load_spaces
    from radsmith.evaluation.octaves import EACH, OctaveOptions, kind_of
    from radsmith.files import prepare_folder
    from radsmith.generation.prompt_list import parse_steps

    counts = parse_steps(steps) if steps is not None else [None]
    _check_use(context, octaves, len(counts))
    choice = chosen(engine, model)
    settings = settings_for(choice, counts[0], guidance)
    asked = [kind_of(text) for text in kinds]
    judge = load_judge(judge_file)
    spaces = load_spaces(features, judge)
    drawing = load_engine(choice)
    prepare_folder(folder)
    if octaves:
        options = OctaveOptions(settings=settings, kinds=asked, each=each or EACH, seed=seed)
        click.echo(_octaves(drawing, spaces, (data, split), folder, options))
        return
    full = Options(
        settings=settings,
        more_steps=tuple(n for n in counts[1:] if n is not None),
        per_kind=per_kind,
        per_finding=per_finding,
        seed=seed,
    )
    click.echo(_evaluation(drawing, (spaces, judge), (data, split, copies), folder, full))


def _check_use(context: click.Context, octaves: bool, counts: int) -> None:
    """Raise InvalidInput for an option given that would say nothing, with or without --octaves."""
    only, without = {"kinds", "each"}, {"per_kind", "per_finding", "copies"}
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if source is not click.core.ParameterSource.COMMANDLINE:
            continue
        if option.name in (without if octaves else only):
            needs = "cannot be given with" if octaves else "is an option of"
            raise InvalidInput(f"{option.opts[0]} {needs} --octaves: leave it out")
    if octaves and counts > 1:
        raise InvalidInput("--octaves measures one number of steps: give --steps one number")


def _evaluation(
    engine: Engine,
    eyes: tuple[dict[str, Space], Judge],
    data: tuple[Path, str, bool],
    folder: Path,
    options: Options,
) -> Path:
    """data: folder, split, and whether its training images are searched for copies."""
    from radsmith.evaluation.fidelity import evaluate as compare
    from radsmith.evaluation.report_page import write_evaluation

    source, split, copies = data
    with _telling() as show:
        training = real_images(source, "train") if copies else None
        found = compare(engine, real_images(source, split), training, *eyes, options, show)
    found.report.update(split=split, date=_today())
    return write_evaluation(folder, found)


def _octaves(
    engine: Engine,
    spaces: dict[str, Space],
    data: tuple[Path, str],
    folder: Path,
    options: OctaveOptions,
) -> Path:
    """data: folder and split."""
    from rich.console import Console

    from radsmith.cli.console import figures_table
    from radsmith.evaluation.octave_page import octave_tables, write_octaves
    from radsmith.evaluation.octaves import compare_octaves

    with _telling() as show:
        found = compare_octaves(engine, real_images(*data), spaces, options, show)
    found.report.update(split=data[1], date=_today())
    console = Console(highlight=False, markup=False)
    for table in octave_tables(found.report):
        console.print(figures_table(table))
    return write_octaves(folder, found)


@contextmanager
def _telling() -> Iterator[Progress]:
    """What is being done and how many images were drawn, while it is."""
    from rich.console import Console

    done = 0
    with Console(stderr=True, highlight=False, markup=False).status("reading images") as status:

        def show(what: str, number: int) -> None:
            nonlocal done
            done += number
            status.update(f"{what}: {done} images drawn")

        yield show


def _today() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).date().isoformat()


@click.command()
@click.option("-o", "folder", type=click.Path(path_type=Path), default=Path("probe"))
@click.option("-n", "each", type=click.IntRange(1), default=4, help="Images per prompt.")
@click.option("--seed", type=int, default=0)
@STEPS
@GUIDANCE
@ENGINE
@click.option("--model", type=click.Path(path_type=Path), help="A .radsmith file or model folder.")
@click.option("--erase", "data", type=click.Path(path_type=Path), help="Real images to rebuild.")
@click.option("--split", type=click.Choice(("test", "train")), default="test")
@click.option("--features", default="judge", help="judge, pixels, paths to .onnx encoders.")
@click.option("--judge", "judge_file", type=click.Path(path_type=Path), help="Another judge.json.")
def probe(
    folder: Path,
    each: int,
    seed: int,
    steps: int | None,
    guidance: float | None,
    engine: str | None,
    model: Path | None,
    data: Path | None,
    split: str,
    features: str,
    judge_file: Path | None,
) -> None:
    """Ask the 17 plain prompts that DALL-E 2 was asked; judge and lay out what comes.

    With --erase DATA parts of real radiographs are erased and rebuilt too, -n candidates each, and
    compared with what was there and with classical inpainting.
    """
    from datetime import UTC, datetime

    from rich.console import Console

    from radsmith.cli.console import probe_table
    from radsmith.engines.choice import chosen, load_engine, settings_for
    from radsmith.evaluation.judge_files import load_judge, load_spaces
    from radsmith.evaluation.probe import probe as ask
    from radsmith.evaluation.rebuild import RebuildOptions
    from radsmith.evaluation.report_page import write_probe
    from radsmith.files import prepare_folder

    choice = chosen(engine, model)
    settings = settings_for(choice, steps, guidance)
    judge, drawing = load_judge(judge_file), load_engine(choice)
    prepare_folder(folder / "images")
    console = Console(stderr=True, highlight=False, markup=False)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    with console.status("drawing") as status:
        answers = ask(drawing, judge, each, settings, seed, created, status.update)
    page = write_probe(folder, drawing.facts.name, answers)
    Console(highlight=False, markup=False).print(probe_table(answers))
    click.echo(page)
    if data is not None:
        spaces = load_spaces(features, judge)
        options = RebuildOptions(settings=settings, candidates=each, seed=seed)
        click.echo(_rebuild(drawing, spaces, real_images(data, split), folder, options))


def _rebuild(
    engine: Engine, spaces: dict[str, Space], real: RealSet, folder: Path, options: RebuildOptions
) -> Path:
    from rich.console import Console

    from radsmith.evaluation.baselines import load_baselines
    from radsmith.evaluation.rebuild import rebuild
    from radsmith.evaluation.rebuild_page import write_rebuilt

    console = Console(stderr=True, highlight=False, markup=False)
    with console.status("rebuilding") as status:
        report, images = rebuild(engine, real, load_baselines(), spaces, options, status.update)
    report["model"] = {"name": engine.facts.name, "digest": engine.facts.digest}
    return write_rebuilt(folder, report, images)


def real_images(data: Path, split: str) -> RealSet:
    """The real images of a split, decoded once and cached; synthetic ones are left out."""
    from radsmith.datasets.corpus import Contents, load_corpus
    from radsmith.datasets.labels import concepts_of
    from radsmith.evaluation.real_set import RealSet
    from radsmith.files import cache_folder

    corpus = load_corpus([data], cache_folder(), concepts_of, split, real_only=True)
    return RealSet(images=Contents(corpus), concepts=corpus.concepts, patients=corpus.patients)
