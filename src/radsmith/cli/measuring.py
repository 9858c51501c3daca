"""Commands that measure a model: evaluate, probe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from radsmith.cli.options import ENGINE, GUIDANCE, JUDGE, MODEL, RAY, STEPS, WORKERS, out
from radsmith.errors import InvalidInput

if TYPE_CHECKING:
    from radsmith.engines.engine import Engine
    from radsmith.evaluation.features import Space
    from radsmith.evaluation.fidelity import Progress
    from radsmith.evaluation.octaves import OctaveOptions
    from radsmith.evaluation.real_set import RealSet
    from radsmith.evaluation.rebuild import RebuildOptions


@click.group(invoke_without_command=True, subcommand_metavar="[utility …]")
@click.option("--data", type=click.Path(path_type=Path), help="Real images; required.")
@out("report")
@click.option("--split", type=click.Choice(("test", "train")), default="test")
@click.option("--features", default="judge,pixels", help="judge, pixels, paths to .onnx encoders.")
@click.option(
    "--per-kind", type=click.IntRange(20, 10**6), default=400, help="Most real images a kind."
)
@click.option(
    "--per-finding", type=click.IntRange(5, 10**6), default=25, help="Prompt pairs a finding."
)
@click.option("--octaves", is_flag=True, help="The octave table alone: at which scale images fail.")
@click.option("--kind", "kinds", multiple=True, help="Of --octaves: such as “adult chest x-ray”.")
@click.option("-n", "each", type=click.IntRange(30, 10**6), help="Of --octaves: images a kind; 60.")
@click.option("--steps", help="Denoising steps; further numbers (8,16) are compared.")
@GUIDANCE
@ENGINE
@MODEL
@click.option("--seed", type=click.IntRange(0, 2**62), default=0)
@click.option("--copies/--no-copies", default=True, help="Search the training images for copies.")
@JUDGE
@WORKERS
@RAY
@click.pass_context
def evaluate(
    context: click.Context,
    data: Path | None,
    folder: Path,
    split: Literal["test", "train"],
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
    workers: int,
    ray: str,
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
    from radsmith.api.data import evaluate as measure
    from radsmith.api.model import Model
    from radsmith.datasets.corpus import read_manifest
    from radsmith.engines.choice import chosen, load_engine, settings_for
    from radsmith.evaluation.judge_files import load_judge, load_spaces
    from radsmith.evaluation.octaves import EACH, OctaveOptions, kind_of
    from radsmith.files import prepare_folder
    from radsmith.generation.prompt_list import parse_steps

    counts = parse_steps(steps) if steps is not None else [None]
    _check_use(context, octaves, len(counts))
    read_manifest(data / f"{split}.csv")  # before the model is loaded
    choice = chosen(engine, model)
    settings = settings_for(choice, counts[0], guidance)
    asked = [kind_of(text) for text in kinds]
    if octaves:
        spaces = load_spaces(features, load_judge(judge_file))
        drawing = load_engine(choice)
        prepare_folder(folder)
        options = OctaveOptions(settings=settings, kinds=asked, each=each or EACH, seed=seed)
        click.echo(_octaves(drawing, spaces, (data, split), folder, options))
        return
    with _telling() as show:
        measure(
            Model(choice),
            data,
            split=split,
            settings=settings,
            per_kind=per_kind,
            per_finding=per_finding,
            seed=seed,
            copies=copies,
            features=features,
            judge=judge_file,
            folder=folder,
            more_steps=[n for n in counts[1:] if n is not None],
            workers=workers,
            ray=ray,
            progress=show,
        )
    click.echo(folder / "index.html")


def _check_use(context: click.Context, octaves: bool, counts: int) -> None:
    """Raise InvalidInput for an option given that would say nothing, with or without --octaves."""
    only = {"kinds", "each"}
    without = {"per_kind", "per_finding", "copies", "workers", "ray"}
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if source is not click.core.ParameterSource.COMMANDLINE:
            continue
        if option.name in (without if octaves else only):
            needs = "cannot be given with" if octaves else "is an option of"
            raise InvalidInput(f"{option.opts[0]} {needs} --octaves: leave it out")
    if octaves and counts > 1:
        raise InvalidInput("--octaves measures one number of steps: give --steps one number")


def _octaves(
    engine: Engine,
    spaces: dict[str, Space],
    data: tuple[Path, str],
    folder: Path,
    options: OctaveOptions,
) -> Path:
    """data: folder and split."""
    from radsmith.cli.console import figures_table
    from radsmith.cli.terminal import terminal
    from radsmith.clock import today
    from radsmith.engines.engine import Staged
    from radsmith.evaluation.octave_page import octave_tables, write_octaves
    from radsmith.evaluation.octaves import compare_octaves
    from radsmith.evaluation.real_files import large_images, real_images
    from radsmith.images.letterbox import SIDE

    with _telling() as show:
        real, large = real_images(*data), None
        if isinstance(engine, Staged) and any(s.output_side > SIDE for s in engine.stages):
            large = large_images(*data)
        found = compare_octaves(engine, real, spaces, options, show, large)
    found.report.update(split=data[1], date=today())
    console = terminal(results=True)
    for table in octave_tables(found.report):
        console.print(figures_table(table))
    return write_octaves(folder, found)


@contextmanager
def _telling() -> Iterator[Progress]:
    """What is being done and how many images were drawn, while it is."""
    from rich.text import Text

    from radsmith.cli.terminal import terminal

    done = 0
    with terminal().status("reading images") as status:

        def show(what: str, number: int) -> None:
            nonlocal done
            done += number
            status.update(Text(f"{what}: {done} images drawn"))

        yield show


@click.command()
@out("probe")
@click.option("-n", "each", type=click.IntRange(1, 1000), default=4, help="Images per prompt.")
@click.option("--seed", type=click.IntRange(0, 2**62), default=0)
@STEPS
@GUIDANCE
@ENGINE
@MODEL
@click.option("--erase", "data", type=click.Path(path_type=Path), help="Real images to rebuild.")
@click.option("--split", type=click.Choice(("test", "train")), default="test")
@click.option("--features", default="judge", help="judge, pixels, paths to .onnx encoders.")
@JUDGE
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

    from radsmith.cli.console import probe_table
    from radsmith.cli.terminal import terminal
    from radsmith.clock import now
    from radsmith.datasets.corpus import read_manifest
    from radsmith.engines.choice import chosen, load_engine, settings_for
    from radsmith.evaluation.judge_files import load_judge, load_spaces
    from radsmith.evaluation.probe import probe as ask
    from radsmith.evaluation.real_files import real_images
    from radsmith.evaluation.rebuild import RebuildOptions
    from radsmith.evaluation.report_page import write_probe
    from radsmith.files import prepare_folder

    if data is not None:
        read_manifest(data / f"{split}.csv")  # before minutes of drawing
    choice = chosen(engine, model)
    settings = settings_for(choice, steps, guidance)
    judge, drawing = load_judge(judge_file), load_engine(choice)
    prepare_folder(folder / "images")
    console = terminal()
    created = now()
    with console.status("drawing") as status:
        answers = ask(drawing, judge, each, settings, seed, created, status.update)
    page = write_probe(folder, drawing.facts.name, answers)
    terminal(results=True).print(probe_table(answers))
    click.echo(page)
    if data is not None:
        spaces = load_spaces(features, judge)
        options = RebuildOptions(settings=settings, candidates=each, seed=seed)
        click.echo(_rebuild(drawing, spaces, real_images(data, split), folder, options))


def _rebuild(
    engine: Engine, spaces: dict[str, Space], real: RealSet, folder: Path, options: RebuildOptions
) -> Path:
    from radsmith.cli.terminal import terminal
    from radsmith.evaluation.baselines import load_baselines
    from radsmith.evaluation.rebuild import rebuild
    from radsmith.evaluation.rebuild_page import write_rebuilt

    console = terminal()
    with console.status("rebuilding") as status:
        report, images = rebuild(engine, real, load_baselines(), spaces, options, status.update)
    report["model"] = {"name": engine.facts.name, "digest": engine.facts.digest}
    return write_rebuilt(folder, report, images)
