"""The command line: composition root, one command a use case. Imports are lazy for speed."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from radsmith import __version__
from radsmith.errors import InvalidInput, RadsmithError, Unavailable

if TYPE_CHECKING:
    from radsmith.engine import OnnxEngine
    from radsmith.generation import Generation, Settings
    from radsmith.image import Image

DEMO = (
    ("modality:x-ray", "body_part:chest", "view:pa", "age_group:adult", "finding:normal"),
    ("modality:x-ray", "body_part:chest", "age_group:child", "finding:bacterial-pneumonia"),
    ("modality:x-ray", "body_part:knee"),
    ("modality:x-ray", "body_part:shoulder"),
    ("modality:ct", "body_part:chest"),
    ("modality:mri", "body_part:brain", "view:axial", "finding:glioma"),
    ("modality:ultrasound", "body_part:breast", "finding:benign-breast-mass"),
    ("modality:ultrasound", "body_part:fetal-head"),
)


@click.group()
@click.version_option(__version__)
def cli() -> None:
    """Synthetic radiology images. Not for diagnosis."""


@cli.command()
@click.argument("concepts", nargs=-1, required=True)
@click.option("-n", "count", type=click.IntRange(1), default=1, help="Images to make.")
@click.option("--seed", type=int, default=0, help="Seed of the first image; the rest count up.")
@click.option("--steps", type=int, default=4, help="Denoising steps, 1-100.")
@click.option("--guidance", type=float, default=1.5, help="Guidance scale; 1 is off.")
@click.option("-o", "folder", type=click.Path(path_type=Path), default=Path("out"))
def generate(
    concepts: tuple[str, ...], count: int, seed: int, steps: int, guidance: float, folder: Path
) -> None:
    """Make images of CONCEPTS, such as modality:x-ray body_part:chest."""
    from radsmith.adapters.files import prepare_folder, write_atomically
    from radsmith.adapters.model_files import load_engine
    from radsmith.adapters.pictures import png_bytes
    from radsmith.generation import Settings

    engine = load_engine()
    unknown = [c for c in concepts if not engine.learned(c)]
    if unknown:
        raise InvalidInput(f"the model never learned {', '.join(unknown)}; see its model.json")
    prepare_folder(folder)
    settings = Settings(num_steps=steps, guidance_scale=guidance)
    name = "-".join(c.split(":")[-1] for c in concepts)[:60]
    for number in range(seed, seed + count):
        image, record = _make(engine, concepts, number, settings)
        path = folder / f"{name}-{number}.png"
        write_atomically(path, png_bytes(image, record))
        click.echo(path)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
def inspect(file: Path) -> None:
    """Print the provenance record of FILE (PNG, DICOM or NPY)."""
    from radsmith.adapters.pictures import read_record

    click.echo(read_record(file).to_json())


@cli.command()
@click.option("-o", "folder", type=click.Path(path_type=Path), default=Path("demo-output"))
def demo(folder: Path) -> None:
    """Make four images of each of eight kinds and a contact sheet."""
    from radsmith.adapters.contact_sheet import Tile, contact_sheet
    from radsmith.adapters.files import prepare_folder, write_atomically
    from radsmith.adapters.model_files import load_engine
    from radsmith.adapters.pictures import png_bytes
    from radsmith.generation import Settings

    engine = load_engine()
    prepare_folder(folder)
    tiles = []
    with click.progressbar(DEMO, label="generating", file=sys.stderr) as kinds:
        for concepts in kinds:
            name = " ".join(c.split(":")[-1] for c in concepts)
            for seed in range(4):
                image, record = _make(engine, concepts, seed, Settings())
                path = folder / f"{name.replace(' ', '-')}-{seed}.png"
                write_atomically(path, png_bytes(image, record))
                tiles.append(Tile(image=image, caption=f"seed {seed}: {name}"))
    sheet = folder / "contact-sheet.png"
    write_atomically(sheet, contact_sheet(tiles, columns=8, title="radsmith demo"))
    click.echo(f"{len(tiles)} images and their contact sheet: {sheet}")


@cli.command()
@click.argument("config", type=click.Path(path_type=Path))
def train(config: Path) -> None:
    """Train the default model as the TOML file CONFIG says; goes on where it stopped."""
    try:
        from radsmith.training.run import run
    except ImportError as error:
        raise Unavailable(
            f"training needs {error.name}: install torch==2.13.0, then radsmith[train]"
        ) from error
    click.echo(f"model: {run(config)}")


def _make(
    engine: OnnxEngine, concepts: tuple[str, ...], seed: int, settings: Settings
) -> tuple[Image, Generation]:
    from radsmith.generation import Generation, Request
    from radsmith.image import Image

    prompt = ", ".join(concepts)
    request = Request(prompt=prompt, seed=seed, settings=settings)
    image = Image(pixels=engine.generate(concepts, request.seed, settings))
    width, height = image.size
    record = Generation(
        radsmith_version=__version__,
        operation="generate",
        engine="onnx",
        model=engine.name,
        model_digest=engine.digest,
        prompt=prompt,
        canonical_prompt=prompt,
        concepts=concepts,
        seed=seed,
        num_steps=settings.num_steps,
        guidance_scale=settings.guidance_scale,
        width=width,
        height=height,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        pixels_sha256=image.digest(),
    )
    return image, record


def main() -> None:
    """Entry point: a RadsmithError becomes one line and its exit code."""
    try:
        cli()
    except RadsmithError as error:
        click.echo(f"radsmith: {error}", err=True)
        sys.exit(error.exit_code)
