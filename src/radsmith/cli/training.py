"""Commands that train, of the extra `train`: train, judge, encoder, train-detector, simulate."""

from __future__ import annotations

from pathlib import Path

import click

from radsmith.cli.options import WORKERS, out
from radsmith.errors import InvalidInput, NotFound, Unavailable

_NEEDS_TRAIN = "{} needs {}: install torch==2.13.0, then radsmith[train]"


@click.command("judge")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("-o", "folder", type=click.Path(path_type=Path), required=True)
@click.option(
    "--samples", type=click.IntRange(32, 10**7), default=32000, help="Images drawn in all."
)
@click.option("--threads", type=click.IntRange(1, 256), default=1)
def train_judge(data: Path, folder: Path, samples: int, threads: int) -> None:
    """Train the judge that scores generated images, on half of DATA's patients."""
    from radsmith.datasets.corpus import read_manifest
    from radsmith.files import cache_folder, prepare_folder

    read_manifest(data / "train.csv")  # before torch is loaded
    prepare_folder(folder)
    try:
        from radsmith.training.judge import JudgeRecipe, make_judge
    except ImportError as error:
        raise Unavailable(_NEEDS_TRAIN.format("the judge", error.name)) from error
    recipe = JudgeRecipe(samples=samples, threads=threads)
    click.echo(make_judge(data, folder, cache_folder(), recipe))


@click.command("encoder")
@out("imagenet.onnx", "file")
def export_encoder(file: Path) -> None:
    """Write an ImageNet encoder as ONNX, a second feature space for `radsmith evaluate`."""
    from radsmith.files import prepare_folder

    if file.suffix != ".onnx":
        raise InvalidInput(f"the encoder is one file NAME.onnx, got {file}")
    prepare_folder(file.parent)
    try:
        from radsmith.training.encoder import export_imagenet_encoder
    except ImportError as error:
        raise Unavailable(_NEEDS_TRAIN.format("the encoder", error.name)) from error
    click.echo(export_imagenet_encoder(file))


@click.command("train-detector")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("-o", "folder", type=click.Path(path_type=Path), required=True)
@click.option(
    "--steps", type=click.IntRange(1, 10**7), default=650, help="Training steps of 64 pairs."
)
@click.option(
    "--varied", type=click.IntRange(0, 10**6), default=450, help="Images redrawn beforehand."
)
@click.option("--threads", type=click.IntRange(1, 256), default=1)
def train_detector(data: Path, folder: Path, steps: int, varied: int, threads: int) -> None:
    """Train the copy detector of `radsmith audit` on DATA's training split."""
    from radsmith.datasets.corpus import load_corpus, read_manifest
    from radsmith.datasets.labels import concepts_of
    from radsmith.engines.choice import load_engine
    from radsmith.files import cache_folder, prepare_folder

    read_manifest(data / "train.csv")  # before torch is loaded
    prepare_folder(folder)
    try:
        from radsmith.training.copy_detector import DetectorRecipe, make_detector
    except ImportError as error:
        raise Unavailable(_NEEDS_TRAIN.format("the detector", error.name)) from error
    recipe = DetectorRecipe(steps=steps, varied=varied, threads=threads)
    corpus = load_corpus([data], cache_folder(), concepts_of, real_only=True)
    engine = load_engine(None)
    click.echo(make_detector(corpus, engine, folder, recipe, click.echo))


@click.command("simulate")
@click.argument("volumes", type=click.Path(path_type=Path), required=False)
@click.option("-o", "folder", type=click.Path(path_type=Path), required=True)
@click.option(
    "-n", "count", type=click.IntRange(1, 10**6), default=50, help="Per region and view, or twice."
)
@click.option(
    "--warp",
    type=click.FloatRange(0, 30),
    default=0.0,
    help="Vary the anatomy of each volume smoothly, by about so many mm; 0 (default): as scanned.",
)
@click.option("--limbs", is_flag=True, help="Legs and arms of sampled measures, too or alone.")
@WORKERS
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0)
def simulate_radiographs(
    volumes: Path | None,
    folder: Path,
    count: int,
    warp: float,
    limbs: bool,
    seed: int,
    workers: int,
) -> None:
    """Simulate radiographs: a data folder for `radsmith train`.

    CT VOLUMES (.npz) are projected; limbs are made of shapes. Both are said so in the manifest.
    """
    from radsmith.files import prepare_folder

    if volumes is None and not limbs:
        raise InvalidInput("nothing to simulate: name a folder of CT volumes, or give --limbs")
    if volumes is not None and not volumes.is_dir():
        raise NotFound(f"no folder {volumes}: it holds the volumes, as .npz files")
    if warp and volumes is None:
        raise InvalidInput("--warp varies CT volumes; limbs are of other measures each anyway")
    try:
        from radsmith.datasets.simulated import simulate
    except ImportError as error:
        raise Unavailable(_NEEDS_TRAIN.format("projecting", error.name)) from error
    prepare_folder(folder)
    written = simulate(volumes, folder, count, seed, workers, warp=warp, limbs=limbs)
    click.echo(f"{written} radiographs in {folder}")


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
def train(config: Path) -> None:
    """Train the default model as the TOML file CONFIG says; goes on where it stopped."""
    try:
        from radsmith.training.run import run
    except ImportError as error:
        raise Unavailable(_NEEDS_TRAIN.format("training", error.name)) from error
    click.echo(f"model: {run(config)}")
