"""The review's demonstration: a small study of the shipped model, read by two simulated readers."""

from __future__ import annotations

from pathlib import Path

import click

from radsmith.cli.reviewing import PATH, bar, review
from radsmith.errors import InvalidInput, RadsmithError

PROMPTS = (
    "chest x-ray, PA view, adult, normal",
    "head CT, axial, brain window",
    "abdomen CT, axial",
    "abdomen MRI, axial",
)
EACH = 4
REAL = ("CT_small.dcm", "693_J2KI.dcm", "J2K_pixelrep_mismatch.dcm", "examples_overlay.dcm")
"""Of pydicom's test files: the grayscale ones of 128 pixels and more."""


@review.command()
@click.option("-o", "folder", type=PATH, default=Path("review-demo"), show_default=True)
def demo(folder: Path) -> None:
    """Make a small study, have two SIMULATED readers read it, and write its report.

    The images come from the shipped model, the hidden real ones from pydicom's test files, and some
    with a planted defect. You are its third reader.
    """
    from radsmith.files import prepare_folder
    from radsmith.review.design import Design
    from radsmith.review.desk import Desk, now
    from radsmith.review.gathering import gather
    from radsmith.review.report_page import write_report
    from radsmith.review.simulated import SimulatedReader, simulate
    from radsmith.review.study import NewStudy, create_study
    from radsmith.review.summary import summary

    study = folder / "study"
    if study.exists():
        raise InvalidInput(f"{study} is there: name another folder with -o")
    prepare_folder(folder)
    _draw(folder / "images")
    _plant(folder / "images", folder / "planted")
    real = _real(folder / "real")
    readers = (
        SimulatedReader(name="simulated-careful", sensitivity=0.95, false_alarms=0.05),
        SimulatedReader(name="simulated-hasty", sensitivity=0.6, false_alarms=0.1, seed=1),
    )
    names = tuple(reader.name for reader in readers)
    asked = NewStudy(
        name="demo",
        images=gather(folder / "images"),
        controls=gather(folder / "real", "real") if real else (),
        planted=gather(folder / "planted", "planted"),
        readers=(*names, "local"),
        simulated=names,
        design=Design(reads=3, controls=0.15 if real else 0.0),
    )
    with bar("preparing pictures") as tell:
        desk = Desk(create_study(study, asked, now(), tell))
    defective = {case.id: case.kind == "planted" for case in desk.study.cases}
    for reader in readers:
        click.echo(f"{reader.name}: {simulate(desk, reader, defective)} answers, SIMULATED")
    state, head = desk.snapshot()
    found = summary(desk.study, state, head)
    paths = write_report(folder / "report", found, desk.study, state)
    click.echo(f"report: {paths[0]}")
    click.echo(f"read it yourself: radsmith review {study}")


def _draw(folder: Path) -> None:
    """EACH images of each prompt by the shipped model."""
    from radsmith.engines.model_files import load_facts
    from radsmith.files import prepare_folder
    from radsmith.generation.plan import plan
    from radsmith.generation.run import Job, run_jobs
    from radsmith.images.provenance import Request

    prepare_folder(folder)
    facts, jobs = load_facts(), []
    for text in PROMPTS:
        planned = plan(text, facts)
        for seed in range(EACH):
            path = folder / f"{planned.stem}-{seed}"
            request = Request(prompt=text, seed=seed)
            jobs.append(Job(plan=planned, request=request, path=path, formats=("png",)))
    with bar("drawing") as tell:
        for number, outcome in enumerate(run_jobs(jobs, model=None, workers=1, force=True)):
            if outcome.error:
                raise outcome.error
            tell(number + 1, len(jobs))


def _plant(images: Path, folder: Path) -> None:
    """Every fourth image again with a patch of its middle turned round: a known defect."""
    import numpy as np
    from PIL import Image

    from radsmith.files import prepare_folder

    prepare_folder(folder)
    for number, path in enumerate(sorted(images.glob("*.png"))[::4]):
        with Image.open(path) as picture:
            pixels = np.array(picture)
        height, width = pixels.shape
        y, x = height // 3, width // 3
        patch = pixels[y : 2 * y, x : 2 * x]
        pixels[y : 2 * y, x : 2 * x] = patch[::-1, ::-1]
        Image.fromarray(pixels).save(folder / f"{number}.png")


def _real(folder: Path) -> int:
    """The test files that can be decoded here; how many."""
    import pydicom

    from radsmith.files import prepare_folder, read_bytes, write_atomically
    from radsmith.review.gathering import shown

    prepare_folder(folder)
    place, count = Path(pydicom.__file__).parent / "data" / "test_files", 0
    for name in REAL:
        try:
            shown(place / name)
        except RadsmithError:
            continue  # a decoder that is not installed
        write_atomically(folder / name, read_bytes(place / name))
        count += 1
    return count
