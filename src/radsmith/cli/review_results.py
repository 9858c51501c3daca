"""Commands of expert review that tell what came of it: accepted, admit, agreement, report, gate."""

from __future__ import annotations

import json
from pathlib import Path

import click

from radsmith.cli.numbers import Real
from radsmith.cli.reviewing import JSON, PATH, RULE, bar, print_json, review
from radsmith.errors import InvalidInput

_FOUND = click.IntRange(0, 10**6)


@review.command(name="accepted")
@click.argument("study", type=PATH)
@RULE
@JSON
def accepted_command(study: Path, rule: str, as_json: bool) -> None:
    """List the images that the study's readers accepted."""
    from radsmith.review.accepted import accepted

    found = accepted(study, rule)
    if as_json:
        print_json(found.as_json())
        return
    for image in found.images:
        click.echo(f"{image.path}  {image.reads} reads")
    total = len(found.images) + found.rejected + found.undecided
    click.echo(
        f"{len(found.images)} of {total} accepted ({rule}), {found.rejected} rejected,"
        f" {found.undecided} undecided; log {found.log_head[:16]}…",
        err=True,
    )
    if found.simulated:
        click.echo("SIMULATED readers, no experts: " + ", ".join(found.simulated), err=True)


@review.command()
@click.argument("study", type=PATH)
@click.option("-o", "out", type=PATH, required=True, help="A new folder.")
@click.option("--data", type=PATH, help="A data set; without, the accepted files are copied.")
@click.option("--unreviewed", is_flag=True, help="Keep what was not accepted too, and say so.")
@RULE
def admit(study: Path, out: Path, data: Path | None, unreviewed: bool, rule: str) -> None:
    """Make the set that experts let in: of what a model made, only what the study accepted."""
    from radsmith.review.data_sets import admit as admit_into
    from radsmith.review.data_sets import export_accepted

    if data is None:
        if unreviewed:
            raise InvalidInput("--unreviewed is for a data set: name it with --data")
        click.echo(f"{len(export_accepted(study, out, rule).images)} accepted images in {out}")
        return
    told = admit_into(data, study, out, rule, unreviewed=unreviewed)
    click.echo(f"{told.real} real and {told.kept} accepted images, {told.left_out} left out: {out}")
    if told.unreviewed:
        click.echo(f"{told.unreviewed} images WITHOUT an accepting verdict, as asked for")


@review.command()
@click.argument("ratings", type=PATH)
@click.option(
    "--level",
    type=click.Choice(("nominal", "ordinal", "interval", "ratio")),
    default="nominal",
    help="Of measurement: names, an order, differences, or ratios that mean something.",
)
@JSON
def agreement(ratings: Path, level: str, as_json: bool) -> None:
    """Tell how far readers agree: a CSV of case, reader, value, made anywhere."""
    from typing import cast

    from radsmith.review.agreement import Level, all_coefficients, table_of
    from radsmith.review.ratings_files import read_ratings

    table = table_of(read_ratings(ratings), cast(Level, level))
    found = all_coefficients(table)
    if as_json:
        cases, readers = table.values.shape
        more = {"level": level, "cases": cases, "readers": readers}
        print_json({key: c.as_json() for key, c in found.items()} | more)
        return
    for key, coefficient in found.items():
        click.echo(f"{key:20} {coefficient.in_words}  {coefficient.method}")


@review.command()
@click.option(
    "--lot", type=click.IntRange(1, 10**9), help="Images in all; without, a lot without end."
)
@click.option(
    "--rate", type=Real(1e-6, 0.999), default=0.05, show_default=True, help="Tolerated defects."
)
@click.option("--confidence", type=Real(0.5, 0.999999), default=0.95, show_default=True)
@click.option("--read", "n", type=click.IntRange(1, 10**6), help="Already read at random …")
@click.option("--defects", type=click.IntRange(0, 10**5), help="… and defective of these; else 0.")
@click.option("--planted", type=(_FOUND, _FOUND), help="FOUND OF: planted defects that were found.")
@click.option(
    "--good", type=Real(1e-6, 0.999), help="For reading until decided: a rate that is good …"
)
@click.option("--most", type=click.IntRange(1, 20_000), help="… and after how many reads to stop.")
@JSON
def sampling(
    lot: int | None,
    rate: float,
    confidence: float,
    n: int | None,
    defects: int | None,
    planted: tuple[int, int] | None,
    good: float | None,
    most: int | None,
    as_json: bool,
) -> None:
    """Say how many images must be read, and what the reads so far bound."""
    from radsmith.review.sampling_plan import sampling_plan

    for option, value in (("--defects", defects), ("--planted", planted)):
        if n is None and value is not None:
            raise InvalidInput(f"{option} says what came of reading: add how many were, --read")
    if good is None and most is not None:
        raise InvalidInput(f"--most {most} ends reading until decided: add a good rate, --good")
    found = sampling_plan(
        lot=lot,
        rate=rate,
        confidence=confidence,
        read=None if n is None else (defects or 0, n),
        planted=planted,
        good=good,
        most=most,
    )
    if as_json:
        print_json(found.as_json())
        return
    for line in found.lines:
        click.echo(line)


@review.command()
@click.argument("study", type=PATH)
@click.option("-o", "folder", type=PATH, help="Where to; STUDY/report otherwise.")
@RULE
def report(study: Path, folder: Path | None, rule: str) -> None:
    """Write what a study came to: report.html, report.json, ratings.csv."""
    from typing import cast

    from radsmith.review.report_page import write_report
    from radsmith.review.study import read_study
    from radsmith.review.summary import summary
    from radsmith.review.verdicts import Rule

    opened, state, head = read_study(study)
    found = summary(opened, state, head, cast(Rule, rule))
    for path in write_report(folder or study / "report", found, opened, state):
        click.echo(path)


@review.command()
@click.argument("study", type=PATH)
@click.option("-o", "out", type=PATH, help="The gate, for `radsmith review new --gate`.")
@click.option(
    "--goal",
    type=Real(0, 1, min_open=True),
    default=0.8,
    show_default=True,
    help="Least sensitivity.",
)
@RULE
def gate(study: Path, out: Path | None, goal: float, rule: str) -> None:
    """Fit the automatic checks on a study's verdicts, and tell what each is worth.

    Thresholds are fitted on half of the verdicts; sensitivity and specificity come from the rest.
    """
    from typing import cast

    from radsmith.evaluation.judge_files import load_judge
    from radsmith.files import prepare_folder
    from radsmith.review.scoring import fit_gate, write_gate
    from radsmith.review.study import read_study
    from radsmith.review.verdicts import Rule

    opened, state, head = read_study(study)
    if out is not None:
        if out.is_dir():
            raise InvalidInput(f"{out} is a folder: name the file of the gate with -o")
        prepare_folder(out.parent)
    with bar("checking images") as tell:
        fitted = fit_gate(opened, state, cast(Rule, rule), load_judge(), goal, tell)
    for one in fitted:
        if one.threshold is None:
            click.echo(f"{one.check:10} {one.why}")
            continue
        click.echo(
            f"{one.check:10} from {one.threshold:.4g}: finds {one.sensitivity.in_words};"
            f" lets good ones pass: {one.specificity.in_words}"
        )
        for group, (finds, passes) in one.by_group.items():
            click.echo(f"{'':10}   {group}: {finds.in_words}; {passes.in_words}")
    if out is not None:
        about = {"study": opened.name, "log_head": head, "rule": rule, "goal": goal}
        write_gate(out, fitted, about)


@review.command()
@click.argument("study", type=PATH)
@click.option("-o", "out", type=PATH, required=True, help=".csv, .parquet, .json, or a folder.")
@click.option("--dicom", is_flag=True, help="Key object selections and reports in a folder.")
@click.option("--for", "use", type=click.Choice(("research", "teaching")), default="research")
@RULE
def export(study: Path, out: Path, dicom: bool, use: str, rule: str) -> None:
    """Write the ratings for other programs: CSV, Parquet, Label Studio's JSON, DICOM."""
    from typing import cast

    from radsmith.files import write_atomically
    from radsmith.review.dicom_verdicts import write_dicom_verdicts
    from radsmith.review.exchange import label_studio, labelling_config, parquet_bytes
    from radsmith.review.report_page import rating_rows, ratings_csv
    from radsmith.review.study import read_study
    from radsmith.review.verdicts import Rule

    opened, state, _ = read_study(study)
    if dicom:
        written = write_dicom_verdicts(out, opened, state, cast(Rule, rule), use)
        click.echo(f"{len(written.files)} DICOM files in {out}")
        if written.left_out:
            click.echo(f"{written.left_out} images are no DICOM files and were left out")
        return
    if out.suffix == ".csv":
        data = ratings_csv(rating_rows(opened, state)).encode()
    elif out.suffix == ".parquet":
        data = parquet_bytes(opened, state)
    elif out.suffix == ".json":
        data = (json.dumps(label_studio(opened, state), indent=1) + "\n").encode()
        config = out.with_suffix(".xml")
        write_atomically(config, labelling_config(opened.rubric).encode())
        click.echo(f"the labelling configuration of its project: {config}")
    else:
        raise InvalidInput(f"{out} ends in none of .csv, .parquet, .json; or add --dicom")
    write_atomically(out, data)
    click.echo(f"{len(state.answers)} answers in {out}")


@review.command(name="import")
@click.argument("study", type=PATH)
@click.argument("ratings", type=PATH)
def import_command(study: Path, ratings: Path) -> None:
    """Take in ratings made elsewhere: a CSV of case, reader, verdict, or Label Studio's JSON."""
    from radsmith.review.desk import Desk
    from radsmith.review.exchange import import_ratings, read_label_studio, read_rating_table
    from radsmith.review.study import open_study

    desk = Desk(open_study(study))
    if ratings.suffix == ".json":
        found = read_label_studio(ratings)
    else:
        names = tuple(item.id for item in desk.study.rubric.scores)
        found = read_rating_table(ratings, names)
    click.echo(f"{import_ratings(desk, found, ratings.name)} ratings taken in")
