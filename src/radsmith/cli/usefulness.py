"""The command evaluate utility: are synthetic images worth training on?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from radsmith.cli.options import SEEDS
from radsmith.errors import InvalidInput, NotFound, Unavailable

if TYPE_CHECKING:
    from radsmith.evaluation.audit.search import AuditSpace
    from radsmith.evaluation.utility.experiment import NetworkMaker, UtilityOptions, UtilitySets

_FOLDER = click.Path(path_type=Path)


@click.command("utility")
@click.argument("dataset", type=_FOLDER)
@click.option("--synthetic", type=_FOLDER, required=True, help="Labelled synthetic images.")
@click.option("-o", "folder", type=_FOLDER, default=Path("utility"))
@click.option("--kind", help="Such as “chest x-ray”; else every kind with enough findings.")
@click.option("--finding", "findings", multiple=True, help="Such as pneumonia; else all there are.")
@click.option(
    "--features", default="detector,texture", help="Of these, and paths to .onnx encoders."
)
@click.option("--network/--no-network", default=True, help="Train a small network too.")
@click.option("--most", type=click.IntRange(40, 10**6), default=800, help="Most images of a task.")
@click.option("--seeds", type=click.IntRange(3, 100), default=3)
@click.option("--seed", type=SEEDS, default=0)
def utility(
    dataset: Path,
    synthetic: Path,
    folder: Path,
    kind: str | None,
    findings: tuple[str, ...],
    features: str,
    network: bool,
    most: int,
    seeds: int,
    seed: int,
) -> None:
    """Measure whether classifiers of DATASET's findings get better with synthetic images.

    Trained on its training split, tested on real images of its test split: real images alone, with
    classical augmentation, synthetic ones alone, mixed, pretrained on synthetic ones; from few real
    images to all. Writes index.html and utility.json.
    """
    from datetime import UTC, datetime

    from radsmith.evaluation.audit.files import load_audit_spaces
    from radsmith.evaluation.utility.experiment import UtilityOptions
    from radsmith.evaluation.utility.files import write_utility
    from radsmith.evaluation.utility.tasks import checked_kind, finding_of
    from radsmith.files import prepare_folder

    if "judge" in features.split(","):
        raise InvalidInput("the judge was trained to tell these very findings: leave it out")
    kind = None if kind is None else checked_kind(kind)
    for word in findings:
        finding_of(word)
    for given in (dataset, synthetic):
        if not given.exists():
            raise NotFound(f"no such folder: {given}; give a data set, and synthetic images")
    spaces = load_audit_spaces(features)
    maker = _network() if network else None
    prepare_folder(folder)
    options = UtilityOptions(most=most, seeds=seeds, seed=seed)
    with _telling() as tell:
        report = _measured(
            (dataset, synthetic, folder), (kind, findings), spaces, options, maker, tell
        )
    report["made"] = datetime.now(UTC).isoformat(timespec="seconds")
    page = write_utility(folder, report)
    click.echo(report["sentence"])
    click.echo(page)


def _measured(
    where: tuple[Path, Path, Path],
    wanted: tuple[str | None, tuple[str, ...]],
    spaces: list[AuditSpace],
    options: UtilityOptions,
    maker: NetworkMaker | None,
    tell: Any,
) -> dict[str, Any]:
    """where: data set, synthetic images, report."""
    from radsmith.evaluation.utility.experiment import run_task
    from radsmith.evaluation.utility.page import sentence
    from radsmith.evaluation.utility.tasks import tasks_of

    sets, kept, left_out, leakage = _prepared(where, spaces, options.seed, tell)
    tasks = tasks_of(sets.train.items, sets.test.items, *wanted)
    labelled = {item.kind for item in sets.synthetic.items}
    able = [task for task in tasks if task.kind in labelled]
    if not able:
        raise InvalidInput(
            f"no synthetic image is of the kind of a task ({', '.join(t.kind for t in tasks)}):"
            " they need labels, as radsmith augment and --from lists give them"
        )
    backbones = {space.name: space.space for space in kept}
    results = [run_task(task, sets, backbones, options, maker, tell) for task in able]
    return {
        "sentence": sentence(results),
        "seeds": options.seeds,
        "backbones": [*backbones, *(["small network"] if maker else [])],
        "digests": {space.name: space.digest for space in kept},
        "left_out": left_out,
        "leakage": leakage,
        "tasks": results,
        "tasks_without_synthetic_images": [t.name for t in tasks if t not in able],
    }


def _prepared(
    where: tuple[Path, Path, Path], spaces: list[AuditSpace], seed: int, tell: Any
) -> tuple[UtilitySets, list[AuditSpace], str, dict[str, Any]]:
    from radsmith.evaluation.audit.files import load_audit_spaces, took_part
    from radsmith.evaluation.audit.request import independent
    from radsmith.evaluation.audit.sets import read_set
    from radsmith.evaluation.utility.experiment import UtilitySets
    from radsmith.evaluation.utility.leakage import without_leaks
    from radsmith.files import cache_folder

    tell("reading images")
    made = read_set(where[1], "synthetic", cache_folder())
    sets = UtilitySets(
        train=read_set(where[0], "train", cache_folder()),
        test=read_set(where[0], "held-out", cache_folder()),
        synthetic=made,
    )
    [detector] = load_audit_spaces("detector")
    kept, refused = independent(spaces, took_part(where[1], made))
    said = ["judge (it was trained to tell these very findings)"]
    said += [f"{space['name']} ({space['reason']})" for space in refused]
    shown = lambda what, done, total: tell(f"leakage, {what}: {done} of {total}")  # noqa: E731
    sets, leakage = without_leaks(sets, detector, where[2] / ".work", seed, shown)
    return sets, kept, "; ".join(said), leakage


def _network() -> NetworkMaker:
    try:
        from radsmith.training.small_network import NetworkRecipe, network_learner
    except ImportError as error:
        raise Unavailable(
            f"the small network needs {error.name}: install torch==2.13.0, then radsmith[train], or"
            " give --no-network"
        ) from error
    return lambda images, labels, test: network_learner(images, labels, test, NetworkRecipe())


@contextmanager
def _telling() -> Iterator[Any]:
    """What is being done."""
    from radsmith.cli.terminal import terminal

    with terminal().status("reading") as status:
        yield status.update
