"""Commands for one's own data: import, report, deidentify."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from radsmith.cli.numbers import Real
from radsmith.cli.options import RAY, WORKERS
from radsmith.errors import InvalidInput, NotFound, Unavailable


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--modality", help="Of the examination, such as ct; default: as the report says.")
@click.option("--body-part", help="Of the examination, such as chest.")
@click.option("--json", "as_json", is_flag=True, help="Labels 1, 0 or null as JSON.")
def report(file: Path, modality: str | None, body_part: str | None, as_json: bool) -> None:
    """Show what is read from the report FILE: text, Open-i style XML or DICOM SR.

    Each finding is present, absent or uncertain; the impression's word comes before the findings'.
    """
    import json
    import math

    from radsmith.cli.console import report_table, say_reading
    from radsmith.cli.terminal import terminal
    from radsmith.images.report_files import report_text
    from radsmith.language.report import read_report

    read = read_report(
        report_text(file), _named("modality", modality), _named("body_part", body_part)
    )
    if read.language:
        raise InvalidInput(f"{file}: {read.warnings[0]}")
    say_reading(terminal(), read)
    if as_json:
        labels = {c: None if math.isnan(v) else int(v) for c, v in read.labels().items()}
        click.echo(json.dumps(labels, indent=1))
        return
    terminal(results=True).print(report_table(read))


@click.command("deidentify")
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "folder", type=click.Path(path_type=Path), required=True)
@click.option("--secret", type=click.Path(path_type=Path), help="File of the key of pseudonyms.")
@click.option("--dates", type=click.Choice(("shift", "remove")), default="shift")
@click.option("--descriptors", type=click.Choice(("clean", "remove")), default="clean")
@click.option("--text", type=click.Choice(("mask", "refuse")), default="mask", help="Burned in.")
@click.option("--keep-characteristics", is_flag=True, help="Sex, age (90 at most), size, weight.")
def deidentify_files(
    sources: tuple[Path, ...],
    folder: Path,
    secret: Path | None,
    dates: str,
    descriptors: str,
    text: Literal["mask", "refuse"],
    keep_characteristics: bool,
) -> None:
    """Write copies of DICOM files and reports without what tells the patient (PS3.15 annex E).

    Pseudonyms and date shifts come from a secret: it is made on first use and stays with you;
    keep it apart from the copies. What could not be copied is listed beside the folder.
    """
    from radsmith.cli.console import write_problems
    from radsmith.cli.terminal import terminal
    from radsmith.deidentification.attributes import Policy
    from radsmith.deidentification.run import (
        REPORT_NAME,
        default_secret,
        deidentify_files,
        read_secret,
    )
    from radsmith.files import prepare_folder

    _check_sources(sources)
    secret = secret or default_secret()
    policy = Policy(
        secret=read_secret(secret),
        shift_dates=dates == "shift",
        clean_descriptors=descriptors == "clean",
        keep_characteristics=keep_characteristics,
    )
    tally = deidentify_files(sources, prepare_folder(folder), policy, text)
    console = terminal()
    for kind, count in sorted(tally.done.items()):
        console.print(f"{count} {kind}", soft_wrap=True)
    for risk, count in sorted(tally.risks.items()):
        console.print(f"  ! {count}: {risk}", soft_wrap=True)
    console.print(f"residual risk: {folder / REPORT_NAME}; secret: {secret}", soft_wrap=True)
    if tally.problems:
        listing = folder.with_name(f"{folder.name}-problems.csv")
        write_problems(listing, tally.problems)
        console.print(f"{len(tally.problems)} not copied, listed in {listing}", soft_wrap=True)
    if not tally.done:
        named = ", ".join(map(str, sources[:3])) + (" …" if len(sources) > 3 else "")
        first = f": {tally.problems[0][1]}" if tally.problems else ": there is no file in it"
        raise InvalidInput(f"nothing of {named} could be copied{first}")


@click.command("import")
@click.argument("sources", nargs=-1, required=True)
@click.option("-o", "folder", type=click.Path(path_type=Path), required=True)
@click.option("--secret", type=click.Path(path_type=Path), help="File of the key of pseudonyms.")
@click.option("--name", "source", default="own_data", help="Of these images in the manifest.")
@click.option("--modality", help="Take only this one; needed for NIfTI and bare pictures.")
@click.option("--body-part", default="", help="Where the files do not say.")
@click.option("--labels", type=click.Path(path_type=Path), help="CSV or JSON list of pictures.")
@click.option(
    "--vocabulary", "words", type=click.Path(path_type=Path), help="TOML of new concepts."
)
@click.option(
    "--slices", type=click.IntRange(0, 10**6), default=8, help="Of a volume or cine; 0: all."
)
@click.option("--window", "windows", multiple=True, help='Of CT, such as "lung window".')
@click.option("--text", type=click.Choice(("mask", "refuse", "keep")), default="mask")
@click.option("--test-share", type=Real(0, 0.9), default=0.1, help="Of patients.")
@click.option("--keep-doubtful", is_flag=True, help="Keep radiographs that look inverted.")
@WORKERS
@RAY
def import_data(
    sources: tuple[str, ...],
    folder: Path,
    secret: Path | None,
    modality: str | None,
    labels: Path | None,
    words: Path | None,
    test_share: float,
    workers: int,
    ray: str,
    **settings: Any,
) -> None:
    """Import SOURCES into a data set that `radsmith train` takes; de-identified on the way in.

    Folders of DICOM (CT, MR, US, CR, DX, MG …), NIfTI, PNG, JPEG, tar shards of another data set,
    and reports beside them; or archives: dicomweb:URL?FILTERS, pacs:CALLED@HOST:PORT?FILTERS
    (filters are DICOM keywords, such as PatientID=7&StudyDate=20240101-).

    What is left out is listed beside the data set with the reason. Run the same command again to
    go on after a stop.
    """
    from radsmith.cli.console import import_summary, say_listed, stage_progress
    from radsmith.datasets.entry import ct_windows
    from radsmith.datasets.labelling import own_vocabulary
    from radsmith.datasets.listed import read_listed
    from radsmith.datasets.remote import is_remote
    from radsmith.datasets.run import ImportRequest, run_import
    from radsmith.datasets.units import UnitOptions
    from radsmith.deidentification.attributes import Policy
    from radsmith.deidentification.run import default_secret, read_secret
    from radsmith.language.vocabulary import learn_concepts

    _check_extra()
    remote = tuple(source for source in sources if is_remote(source))
    folders = tuple(Path(source) for source in sources if source not in remote)
    _check_sources(folders)
    ct_windows("", settings["windows"])
    listed = read_listed(labels) if labels else None
    if listed:
        say_listed(listed)
    vocabulary = own_vocabulary(words, folders, listed)
    for concept in learn_concepts(vocabulary):
        click.echo(f"new word: {concept.name} ({concept.id})", err=True)
    part = settings["body_part"]
    settings["body_part"] = _slug("body_part", part) if part else ""
    options = UnitOptions(
        policy=Policy(secret=read_secret(secret or default_secret())),
        modality="" if modality is None else _slug("modality", modality),
        vocabulary=vocabulary,
        **settings,
    )
    request = ImportRequest(
        sources=folders,
        remote=remote,
        out=folder,
        options=options,
        workers=workers,
        ray=ray,
        test_share=test_share,
        listed=listed,
    )
    with stage_progress("scanning") as progress:
        summary = run_import(request, progress)
    import_summary(summary, folder, request.problems)
    if not summary.images:
        named = ", ".join(sources[:3]) + (" …" if len(sources) > 3 else "")
        raise InvalidInput(f"no image of {named} could be imported; {request.problems} says why")


def _check_extra() -> None:
    """Say before any work what is missing."""
    from importlib.util import find_spec

    for module in ("dicomanonymizer", "anyascii", "rapidocr", "pyarrow", "nibabel"):
        if find_spec(module) is None:
            raise Unavailable(f"importing needs {module}: pip install radsmith[import]")


def _slug(kind: str, words: str) -> str:
    return (
        str(_named(kind, words)).partition(":")[2].replace("-", " " if kind == "body_part" else "-")
    )


def _check_sources(sources: tuple[Path, ...]) -> None:
    for source in sources:
        if not source.exists():
            raise NotFound(f"no such file or folder: {source}")


def _named(kind: str, words: str | None) -> str | None:
    """The id of the one concept of a kind that the words name."""
    from radsmith.language.vocabulary import default_vocabulary

    if words is None:
        return None
    found = [c for c in default_vocabulary().find(words) if c.startswith(f"{kind}:")]
    if not found:
        raise InvalidInput(f"“{words}” names no {kind.replace('_', ' ')} of the vocabulary")
    return found[0]
