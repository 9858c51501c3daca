"""Generated images as files, in this process or in workers; every file is whole or absent.

A job is one image. It is skipped when its file is there and holds the same request, so a run
that was stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Final

from radsmith.clock import now
from radsmith.compute.tasks import over_tasks
from radsmith.engines.choice import Choice, load_engine
from radsmith.engines.engine import Engine
from radsmith.errors import InvalidInput, NotFound, RadsmithError
from radsmith.files import write_atomically
from radsmith.generation.plan import Plan, make
from radsmith.images.image import Image
from radsmith.images.pictures import npy_bytes, png_bytes, read_record
from radsmith.images.provenance import Generation, Request
from radsmith.marks.signing import NONE, Marks, sign_file
from radsmith.marks.watermark import marked

EXTENSIONS: Final = {"png": ".png", "png16": ".png", "dicom": ".dcm", "npy": ".npy"}


@dataclass(frozen=True, kw_only=True)
class ImageJob:
    """One image to make. formats: keys of EXTENSIONS; path: without extension.

    line: of the list that asks for it, 0 where there is none.  marks: to put on its files beside
    the record.
    """

    plan: Plan
    request: Request
    path: Path
    formats: tuple[str, ...]
    line: int = 0
    marks: Marks = NONE

    @property
    def files(self) -> tuple[Path, ...]:
        """The files this job writes, one a format."""
        return tuple(self.path.with_name(self.path.name + EXTENSIONS[f]) for f in self.formats)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a job: made (with its image), there already, or failed."""

    job: ImageJob
    image: Image | None = None
    record: Generation | None = None
    error: RadsmithError | None = None


def run_jobs(
    jobs: Sequence[ImageJob], *, model: Choice, workers: int, force: bool, ray: str = ""
) -> Iterator[Outcome]:
    """Run jobs, yielding each as it ends; order varies with several workers.

    force: make and overwrite files that are there with another request; otherwise such a job
    fails. ray: a cluster's address, as `over_tasks` has it. Errors the caller can mend are
    outcomes; Unavailable (full disk …) and a missing or changed model are raised.
    """
    yield from over_tasks(partial(_run, model=model, force=force), jobs, workers, ray=ray)


def _run(job: ImageJob, model: Choice, force: bool) -> Outcome:
    engine = _engine(model)
    try:
        present = [path for path in job.files if path.exists()]
        same = [path for path in present if _holds(path, job, engine)]
        if len(same) == len(job.files):
            return Outcome(job=job)
        if len(same) < len(present) and not force:
            other = next(path for path in present if path not in same)
            raise InvalidInput(
                f"{other} is there, made otherwise; use --force, or another folder with -o"
            )
        created = now()
        image, record = make(engine, job.plan, job.request, created)
        if job.marks.watermark:
            image = replace(image, pixels=marked(image.pixels.astype("float32")))
            record = replace(record, pixels_sha256=image.digest())
        for name, path in zip(job.formats, job.files, strict=True):
            _write(name, path, image, record, job.plan)
            if job.marks.key is not None:
                sign_file(path, record, job.marks.key)
    except InvalidInput as error:
        return Outcome(job=job, error=error)
    return Outcome(job=job, image=image, record=record)


@cache
def _engine(model: Choice) -> Engine:
    return load_engine(model)


def _holds(path: Path, job: ImageJob, engine: Engine) -> bool:
    """Whether the file was made by this request and model."""
    try:
        record = read_record(path)
    except (InvalidInput, NotFound):
        return False
    settings, size = job.request.settings, job.request.settings.size
    return (
        record.model_digest == engine.facts.digest
        and record.concepts == job.plan.concepts
        and record.seed == job.request.seed
        and record.num_steps == settings.num_steps
        and record.guidance_scale == settings.guidance_scale
        and record.sampler == settings.sampler
        and (size is None or size == (record.width, record.height))
    )


def _write(name: str, path: Path, image: Image, record: Generation, planned: Plan) -> None:
    if name == "npy":
        pixels, beside = npy_bytes(image, record)
        write_atomically(path.with_suffix(".json"), beside)
        write_atomically(path, pixels)
    elif name == "dicom":
        from radsmith.generation.dicom_codes import codes_of
        from radsmith.images.dicom.writing import dicom_bytes  # pydicom is slow to start

        write_atomically(path, dicom_bytes(image, record, codes_of(planned.prompt)))
    else:
        write_atomically(path, png_bytes(image, record, bits=16 if name == "png16" else 8))
