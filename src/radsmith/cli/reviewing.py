"""Commands of expert review: review new, accepted, agreement, sampling and the rest."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from radsmith.errors import InvalidInput

if TYPE_CHECKING:
    from radsmith.review.design import Drawn
    from radsmith.review.gathering import Found

PATH = click.Path(path_type=Path)
RULE = click.option(
    "--rule",
    type=click.Choice(("all", "majority", "adjudicated")),
    default="majority",
    help="All readers accept, more than half of them, or as settled where they differ.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class _Review(click.Group):
    """`radsmith review FOLDER` is short for `radsmith review open FOLDER`."""

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of this name, or `open` for anything that is a folder."""
        if args and args[0] not in self.commands and Path(args[0]).is_dir():
            args = ["open", *args]
        return super().resolve_command(context, args)


@click.group(cls=_Review)
def review() -> None:
    """Have experts read images, and let in what they accept.

    `radsmith review FOLDER` shows the images of any folder for reading; no model is needed.
    """


@review.command()
@click.argument("study", type=PATH)
@click.option("--images", type=PATH, help="Folder, data set or CSV to be read …")
@click.option("--history", type=PATH, help="… or the folder of a server that drew them (--data).")
@click.option("--controls", type=PATH, help="Real images, hidden among them.")
@click.option("--planted", type=PATH, help="Images with a known defect, to measure readers.")
@click.option("--reader", "readers", multiple=True, required=True, help="A name; once for each.")
@click.option("--reads", type=click.IntRange(1, 3), help="Readers a case; 2 if there are as many.")
@click.option("--control-share", type=click.FloatRange(0, 0.8), default=0.2, show_default=True)
@click.option("--repeat-share", type=click.FloatRange(0, 0.5), default=0.1, show_default=True)
@click.option("--phases", type=click.IntRange(1, 2), default=2, help="2 asks “real?” at the end.")
@click.option("--sample", type=click.IntRange(1), help="Read this many, drawn by chance.")
@click.option("--lot", type=click.IntRange(1), help="Images that these were drawn from.")
@click.option("--gate", type=PATH, help="Read --sample images where this gate is unsure …")
@click.option("--random-share", type=float, default=0.1, help="… and this share by chance.")
@click.option("--rubric", type=PATH, help="Questions of your own, as TOML.")
@click.option("--name", help="What the study is called; the folder's name otherwise.")
@click.option("--seed", type=int, default=0, help="Fixes who sees what, and in which order.")
def new(
    study: Path,
    images: Path | None,
    history: Path | None,
    controls: Path | None,
    planted: Path | None,
    readers: tuple[str, ...],
    reads: int | None,
    control_share: float,
    repeat_share: float,
    phases: int,
    sample: int | None,
    lot: int | None,
    gate: Path | None,
    random_share: float,
    rubric: Path | None,
    name: str | None,
    seed: int,
) -> None:
    """Make a study in the folder STUDY: blinded cases, hidden controls and repeats, an order."""
    from radsmith.files import read_bytes
    from radsmith.review.design import Design
    from radsmith.review.desk import now
    from radsmith.review.study import NewStudy, create_study

    design = Design(
        seed=seed,
        controls=control_share if controls else 0.0,
        repeats=repeat_share,
        reads=reads or min(2, len(readers)),
        phases=phases,
    )
    if (images is None) == (history is None):
        raise InvalidInput("say what is to be read: --images or --history, one of them")
    given = _gathered(images or _from_history(history or study, study), "", study, seed)
    real = _gathered(controls, "real", study, seed) if controls else []
    drawn: list[Drawn] = []
    if gate is not None:
        lot = max(lot or 0, len(given))
        given, drawn = _where_unsure(gate, given, real, sample, (seed, random_share))
        sample = None
    asked = NewStudy(
        name=name or study.resolve().name,
        images=given,
        drawn=drawn,
        controls=real,
        planted=_gathered(planted, "planted") if planted else (),
        readers=readers,
        design=design,
        sample=sample,
        lot=lot,
        rubric=read_bytes(rubric).decode("utf-8", "replace") if rubric else "",
    )
    with bar("preparing pictures") as tell:
        made = create_study(study, asked, now(), tell)
    kinds = [case.kind for case in made.cases]
    click.echo(
        f"{made.name}: {kinds.count('synthetic')} images, {kinds.count('control')} hidden real"
        f" ones, {kinds.count('planted')} planted; {len(readers)} readers, {design.reads} a case"
    )
    if not made.prompts:
        click.echo("not every case has a prompt, so none is shown and agreement is not asked for")
    if not controls:
        click.echo("no controls: realism cannot be compared with real images (--controls)")
    if not made.references:
        click.echo("no real image of the same kind is left over to be shown beside a case")
    click.echo(f"read it: radsmith serve --study {study}")


@review.command(name="open")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--port", type=click.IntRange(0, 65535), default=8400, help="0: a free one.")
@click.option("--data", type=PATH, help="Folder of the server; of its own beside the study.")
def open_command(folder: Path, port: int, data: Path | None) -> None:
    """Read the images of FOLDER, or go on with the study in it, in the browser on this machine.

    Without --data nothing is shared with `radsmith serve`. No model is loaded.
    """
    from radsmith.cli.serving import require_server, run_server

    require_server()
    from radsmith.review.design import Design
    from radsmith.review.desk import now
    from radsmith.review.study import KEY_NAME, NewStudy, create_study
    from radsmith.server.store.settings import ServerSettings

    study = folder
    if not (folder / KEY_NAME).exists():
        study = folder.resolve().with_name(f"{folder.resolve().name}-review")
    if not (study / KEY_NAME).exists():
        asked = NewStudy(
            name=folder.resolve().name,
            images=_gathered(folder, ""),
            readers=("local",),
            design=Design(controls=0, reads=1, phases=1),
        )
        with bar("preparing pictures") as tell:
            create_study(study, asked, now(), tell)
    click.echo(f"study:  {study}")
    settings = ServerSettings(
        folder=data or study / "server", port=port, workers=0, studies=(study,)
    )
    run_server(settings)


@review.command()
@click.argument("name", required=False)
@click.option(
    "--role",
    type=click.Choice(("organiser", "reader", "adjudicator", "observer")),
    default="reader",
    show_default=True,
)
@click.option("--subject", help="ISSUER|SUBJECT of a sign-on elsewhere, instead of a password.")
@click.option("--password-stdin", is_flag=True, help="Read the password; otherwise one is made.")
@click.option("--reset", is_flag=True, help="Give NAME another password.")
@click.option("--end", is_flag=True, help="End the account of NAME; its answers stay.")
@click.option("--data", type=PATH, help="The server's folder.")
@click.option("--db", default="", help="The server's database, where it is not SQLite.")
def person(
    name: str | None,
    role: str,
    subject: str | None,
    password_stdin: bool,
    reset: bool,
    end: bool,
    data: Path | None,
    db: str,
) -> None:
    """List, make or end accounts of people who review; NAME is as the study names its reader."""
    import secrets
    from typing import cast

    from radsmith.cli.serving import require_server

    require_server()
    from radsmith.files import prepare_folder
    from radsmith.server.review.people import People, Role
    from radsmith.server.store.database import Database
    from radsmith.server.store.settings import ServerSettings, data_folder

    settings = ServerSettings(folder=data or data_folder(), database=db)
    prepare_folder(settings.folder)
    database = Database(settings.database_url)
    try:
        people = People(database)
        if name is None:
            for known in people.all():
                state = "ended" if known.ended is not None else "in use"
                click.echo(f"{known.name}  {known.role}  {state}")
            return
        if end:
            people.end(name)
            return
        password = None
        if subject is None:
            password = secrets.token_urlsafe(12)
            if password_stdin:
                password = sys.stdin.readline().rstrip("\n")
        if reset and password is not None:
            people.set_password(name, password)
        else:
            people.add(name, cast(Role, role), password, subject)
        if password is not None and not password_stdin:
            click.echo(password)
    finally:
        database.close()


def _gathered(place: Path, source: str, into: Path | None = None, seed: int = 0) -> list[Found]:
    """From a folder or list, or from a data set by way of a folder within the study."""
    from radsmith.review.data_sets import gather_data_set
    from radsmith.review.gathering import gather

    if into is not None and (place / "train.csv").is_file():
        folder = into / "sources" / (source or "synthetic")
        return gather_data_set(place, folder, real=source == "real", seed=seed)
    return gather(place, source)


def _from_history(server: Path, study: Path) -> Path:
    from radsmith.cli.serving import require_server

    require_server()
    from radsmith.server.review.from_history import write_history
    from radsmith.server.store.settings import ServerSettings

    folder = study / "sources" / "history"
    click.echo(f"{write_history(ServerSettings(folder=server), folder)} images of {server}")
    return folder


def _where_unsure(
    gate: Path,
    images: list[Found],
    real: list[Found],
    sample: int | None,
    chance: tuple[int, float],
) -> tuple[list[Found], list[Drawn]]:
    """The images to be read, and how each was drawn. chance: the seed and the random share."""
    from radsmith.evaluation.judge_files import load_judge
    from radsmith.review.gate import choose_reads
    from radsmith.review.scoring import doubt, score_all, thresholds_of

    if sample is None:
        raise InvalidInput("say how many images are to be read where the gate is unsure: --sample")
    thresholds = thresholds_of(gate)
    with bar("checking images") as tell:
        scores = score_all(images, real, load_judge(), tell)
    chosen = choose_reads(doubt(scores, thresholds), 0.0, sample, *chance)
    return [images[i] for i, _ in chosen], [how for _, how in chosen]


def bar(title: str) -> Any:
    """A progress bar: a context whose value is told (done, total)."""
    from contextlib import contextmanager

    from rich.console import Console
    from rich.progress import Progress

    @contextmanager
    def shown() -> Any:
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title)
            yield lambda done, total: bar.update(task, completed=done, total=total)

    return shown()


def print_json(value: Any) -> None:
    """JSON for machines, on standard output."""
    click.echo(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))
