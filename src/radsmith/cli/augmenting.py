"""The command that adds synthetic images to a data set: augment."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from radsmith.cli.making import INTERRUPTED
from radsmith.cli.options import ENGINE, GUIDANCE, JUDGE, MODEL, RAY, STEPS, WORKERS
from radsmith.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from radsmith.augmentation.output import Manifests
    from radsmith.augmentation.plan import AugmentPlan
    from radsmith.augmentation.run import AugmentRequest
    from radsmith.evaluation.real_set import RealSet


@click.command()
@click.argument("data", metavar="DATASET", type=click.Path(path_type=Path))
@click.option("--target", required=True, metavar="balance|N", help="Images each class is to have.")
@click.option("-o", "folder", type=click.Path(path_type=Path), help="Default: DATASET-augmented.")
@click.option("--by", default="modality,body_part,finding", help="Columns that make a class.")
@click.option("--weak", is_flag=True, help="Also what the model saw in fewer than 50 images.")
@click.option("--keep-agreeing", "agreeing", is_flag=True, help="Only what the judge recognises.")
@JUDGE
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0)
@STEPS
@GUIDANCE
@ENGINE
@MODEL
@WORKERS
@RAY
@click.option("--dry-run", is_flag=True, help="Say what would be made, and how long it takes.")
def augment(
    data: Path,
    target: str,
    folder: Path | None,
    by: str,
    weak: bool,
    agreeing: bool,
    judge_file: Path | None,
    seed: int,
    steps: int | None,
    guidance: float | None,
    engine: str | None,
    model: Path | None,
    workers: int,
    ray: str,
    dry_run: bool,
) -> None:
    """Make the images that DATASET lacks: a new data set of its files and synthetic ones.

    A class is a modality, a body part and a finding, or what --by says (columns of the manifest;
    `finding` makes a class of each finding). --target N brings every class to N images, balance to
    the size of the largest, balance:0.5 to that quantile of the sizes. Only the training split is
    added to. Run the same command again to go on after a stop.
    """
    from radsmith.augmentation.classes import Labelled, classes_of
    from radsmith.augmentation.plan import Target, plan_augmentation
    from radsmith.augmentation.run import AugmentRequest, check_place
    from radsmith.datasets.labels import concepts_of
    from radsmith.engines.choice import chosen, load_facts, settings_for

    choice = chosen(engine, model)
    wanted = Target.parse(target)
    manifests = _manifests(data, tuple(column.strip() for column in by.split(",")))
    request = AugmentRequest(
        manifests=manifests,
        out=folder or data.resolve().with_name(f"{data.resolve().name}-augmented"),
        choice=choice,
        settings=settings_for(choice, steps, guidance),
        seed=seed,
        said={"target": target, "by": by, "weak": weak},
        agreeing=agreeing,
        judge=judge_file,
        workers=workers,
        ray=ray,
    )
    facts = load_facts(choice)
    check_place(request)
    real, made = (
        Labelled(rows=rows, concepts=[concepts_of(dict(row)) for row in rows])
        for rows in (manifests.real, manifests.made)
    )
    classes = classes_of(real, made, manifests.by, facts)
    planned = plan_augmentation(real, classes, wanted, facts, seed, weak=weak)
    if dry_run:
        _say_plan(request, planned)
    elif not planned.items:
        _refuse(planned)
    else:
        _run(request, planned, data)


def _manifests(data: Path, by: tuple[str, ...]) -> Manifests:
    from importlib.util import find_spec

    from radsmith.augmentation.output import Manifests
    from radsmith.datasets.corpus import read_manifest

    if find_spec("pyarrow") is None:
        raise Unavailable("augmenting needs pyarrow: pip install radsmith[import]")
    test = read_manifest(data / "test.csv", may_be_empty=True)
    return Manifests(folder=data, train=read_manifest(data / "train.csv"), test=test, by=by)


def _refuse(planned: AugmentPlan) -> None:
    skipped = [f"{name} ({why})" for name, why in planned.skipped.items()]
    more = f"; skipped: {', '.join(skipped[:5])}" if skipped else ""
    hint = "; see --weak" if skipped else ""
    raise InvalidInput(f"nothing to make for {planned.goal} images a class{more}{hint}")


def _say_plan(request: AugmentRequest, planned: AugmentPlan) -> None:
    """The table on stdout, and how long it will take, without writing anything."""
    from radsmith.augmentation.run import seconds_an_image
    from radsmith.cli.console import augment_table
    from radsmith.cli.terminal import terminal

    console = terminal(results=True)
    console.print(augment_table(planned, planned.expected))
    said = f"{len(planned.items):,} images to be made in {request.out}"
    if planned.items and not str(request.choice).startswith("openai:"):
        seconds = seconds_an_image(request.choice, planned.items, request.settings)
        total = seconds * len(planned.items) / request.workers
        said += f", about {_duration(total)} with {request.workers} worker(s), {seconds:.2f} s each"
    console.print(said, soft_wrap=True)


def _run(request: AugmentRequest, planned: AugmentPlan, data: Path) -> None:
    from radsmith.augmentation.run import run_augmentation
    from radsmith.cli.console import augment_summary, augment_table, stage_progress
    from radsmith.cli.terminal import terminal

    console = terminal()
    console.print(augment_table(planned, planned.expected))
    if request.agreeing:
        said = "  ! figures of this judge will say nothing of these images: it chose them"
        console.print(said, style="yellow", soft_wrap=True)
    try:
        with stage_progress("reading images") as progress:
            real = _real(data, "train")
            held = _real(data, "test") if request.manifests.test else None
            result = run_augmentation(request, planned, real, held, progress)
    except KeyboardInterrupt:
        console.print("stopped. Run the same command again to go on.", soft_wrap=True)
        sys.exit(INTERRUPTED)
    console.print(augment_table(planned, result.after))
    augment_summary(result, request.out)
    click.echo(request.out)


def _real(data: Path, split: str) -> RealSet:
    from radsmith.evaluation.real_files import real_images

    return real_images(data, split)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
