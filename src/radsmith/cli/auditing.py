"""The command audit: what synthetic images tell of the people trained on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from radsmith.cli.options import ENGINE, RAY, SEEDS, WORKERS
from radsmith.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from radsmith.evaluation.audit.request import AuditOptions
    from radsmith.evaluation.audit.search import Tell

SPACES = ("detector", "pixels", "judge", "texture")
_FOLDER = click.Path(path_type=Path)


@click.command()
@click.argument("synthetic", type=_FOLDER, required=False)
@click.option("--train", type=_FOLDER, help="The images that were trained on.")
@click.option("--held-out", "held_out", type=_FOLDER, help="Real images of other patients.")
@click.option("-o", "folder", type=_FOLDER, default=Path("report"))
@click.option(
    "--planted", type=click.IntRange(1, 1000), default=20, help="Copies planted of each change."
)
@click.option(
    "--null", type=click.IntRange(20, 10**6), default=4000, help="Most held-out images compared."
)
@click.option("--features", default=",".join(SPACES), help="Of these, and paths to .onnx encoders.")
@click.option("--by-model", is_flag=True, help="Ask the model too: how well it knows an image.")
@click.option("--canaries", is_flag=True, help="Tune on known images, and see what comes back.")
@click.option(
    "--steps", type=click.IntRange(1, 10**7), default=300, help="Of --canaries: training steps."
)
@click.option(
    "--each", type=click.IntRange(2, 10**4), default=20, help="Of --canaries: a repeat count."
)
@ENGINE
@click.option("--model", type=_FOLDER, help="A .radsmith file or model folder.")
@click.option("--seed", type=SEEDS, default=0)
@WORKERS
@RAY
def audit(
    synthetic: Path | None,
    train: Path | None,
    held_out: Path | None,
    folder: Path,
    planted: int,
    null: int,
    features: str,
    by_model: bool,
    canaries: bool,
    steps: int,
    each: int,
    engine: str | None,
    model: Path | None,
    seed: int,
    workers: int,
    ray: str,
) -> None:
    """Look for copies of training images in SYNTHETIC, and for what it tells of people.

    SYNTHETIC, --train and --held-out are folders of images or data sets, whatever made them. Writes
    index.html and audit.json; a stopped audit goes on where it was. The model plants near-copies.

    With --canaries, SYNTHETIC is left out: images of --train are put into a fine-tuning at 1, 4
    and 16 repeats, and what the tuned model draws for their captions is compared with them.
    """
    from radsmith.engines.choice import chosen
    from radsmith.evaluation.audit.request import AuditOptions
    from radsmith.files import prepare_folder

    if train is None:
        raise InvalidInput("give the images that were trained on with --train")
    choice = chosen(engine, model)
    prepare_folder(folder)
    if canaries:
        if synthetic is not None:
            raise InvalidInput("--canaries makes its own images: leave SYNTHETIC out")
        click.echo(_canaries(train, folder, (choice, steps, each, seed)))
        return
    if synthetic is None or held_out is None:
        raise InvalidInput("give the synthetic images, and others' images with --held-out")
    options = AuditOptions(planted=planted, null=null, by_model=by_model, seed=seed)
    crew = (workers, ray)
    click.echo(_audit((synthetic, train, held_out), folder, features, choice, options, crew))


def _audit(
    sets: tuple[Path, Path, Path],
    folder: Path,
    features: str,
    choice: Path | str | None,
    options: AuditOptions,
    crew: tuple[int, str],
) -> Path:
    """sets: synthetic, trained on, held out.  crew: workers, and the cluster they are on."""
    from datetime import UTC, datetime

    from radsmith.engines.choice import load_engine
    from radsmith.evaluation.audit.apart import Apart
    from radsmith.evaluation.audit.files import (
        WORK,
        load_audit_spaces,
        read_canaries,
        took_part,
        write_audit,
    )
    from radsmith.evaluation.audit.request import Parts
    from radsmith.evaluation.audit.run import audit as compare
    from radsmith.evaluation.audit.sets import read_set
    from radsmith.files import cache_folder

    synthetic, train, held_out = (place.absolute() for place in sets)
    apart = Apart(
        places={"synthetic": synthetic, "train": train, "held-out": held_out},
        features=features,
        workers=crew[0],
        ray=crew[1],
    )
    with _telling() as tell:
        tell("reading images", 0, 0)
        ours = read_set(sets[0], "synthetic", cache_folder())
        parts = Parts(
            synthetic=ours,
            training=read_set(sets[1], "train", cache_folder()),
            held_out=read_set(sets[2], "held-out", cache_folder()),
            spaces=load_audit_spaces(features),
            engine=load_engine(choice),
            took_part=took_part(sets[0], ours),
            fill=apart.fill if crew != (1, "") else None,
        )
        found = compare(parts, folder / WORK, options, tell)
    found.report.update(canaries=read_canaries(folder))
    page = write_audit(folder, found, datetime.now(UTC).isoformat(timespec="seconds"))
    click.echo(found.report["verdict"]["sentence"])
    return page


def _canaries(train: Path, folder: Path, asked: tuple[Path | str | None, int, int, int]) -> Path:
    """asked: base, training steps, canaries of a repeat count, seed."""
    from radsmith.evaluation.audit.files import write_canaries

    try:
        from radsmith.training.canaries import CanaryRequest, run_canaries
    except ImportError as error:
        raise Unavailable(
            f"canaries need {error.name}: install torch==2.13.0, then radsmith[train]"
        ) from error
    choice, steps, each, seed = asked
    if isinstance(choice, str) and not choice.startswith("diffusers:"):
        raise InvalidInput("an endpoint cannot be fine-tuned: leave --engine out")
    request = CanaryRequest(
        dataset=train, folder=folder, base=choice, steps=steps, each=each, seed=seed
    )
    with _telling() as tell:
        report = run_canaries(request, tell)
    for group in report["groups"]:
        found = group["extracted"]
        click.echo(
            f"{group['repeats']} times: {found['found']} of {found['n']} came back,"
            f" exposure {group['exposure']:.2f} of {group['most_exposure']:.2f} bits"
        )
    return write_canaries(folder, report)


@contextmanager
def _telling() -> Iterator[Tell]:
    """What is being done, and how far it is."""
    from radsmith.cli.terminal import terminal

    with terminal().status("reading") as status:

        def tell(what: str, done: int, total: int) -> None:
            status.update(f"{what}: {done} of {total}" if total else what)

        yield tell
