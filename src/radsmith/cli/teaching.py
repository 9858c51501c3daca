"""Commands of teaching: teach new, accept, list, results, forget, export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from radsmith.cli.options import ENGINE, MODEL, SEEDS
from radsmith.cli.reviewing import JSON, PATH, RULE, bar, print_json
from radsmith.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from radsmith.server.store.database import Database
    from radsmith.teaching.items import Kind
    from radsmith.teaching.quiz import Given
    from radsmith.teaching.sets import TeachingSet

DATA = click.option("--data", type=PATH, help="The server's folder.")
DATABASE = click.option("--db", default="", help="The server's database, where it is not SQLite.")
_KINDS = ("source", "finding", "side", "where", "order", "pair")


@click.group()
def teach() -> None:
    """Teach with synthetic images: quizzes, matched pairs, repetition, at /teach of the server.

    No trial of learning radiology from synthetic images exists yet.
    """


@teach.command()
@click.argument("name")
@click.option("--prompt", "prompts", multiple=True, help="Draw this, -n times; once for each.")
@click.option("--from", "listed", type=PATH, help="A CSV of prompts, as for radsmith generate.")
@click.option(
    "--pair",
    "pairs",
    nargs=2,
    multiple=True,
    metavar="PROMPT FINDING",
    help="Draw without and with FINDING, such as effusion@right; once for each.",
)
@click.option("--severity", "severities", multiple=True, help="Draw a finding at every severity.")
@click.option("--images", type=PATH, help="A folder that radsmith made, or a CSV of labels.")
@click.option("--real", type=PATH, help="Real images: a folder, or a CSV of labels.")
@click.option(
    "-n", "count", type=click.IntRange(1, 1000), default=1, help="Of each prompt or pair."
)
@click.option("--kind", "kinds", multiple=True, type=click.Choice(_KINDS), help="Ask only these.")
@click.option("--title", help="What learners see; otherwise NAME.")
@click.option("--study", "studies", type=PATH, multiple=True, help="A review that accepted images.")
@RULE
@click.option("--unreviewed", is_flag=True, help="Show what no expert accepted; the page says so.")
@click.option("--seed", type=SEEDS, default=0)
@ENGINE
@MODEL
@DATA
def new(
    name: str,
    prompts: tuple[str, ...],
    listed: Path | None,
    pairs: tuple[tuple[str, str], ...],
    severities: tuple[str, ...],
    images: Path | None,
    real: Path | None,
    count: int,
    kinds: tuple[str, ...],
    title: str | None,
    studies: tuple[Path, ...],
    rule: str,
    unreviewed: bool,
    seed: int,
    engine: str | None,
    model: Path | None,
    data: Path | None,
) -> None:
    """Make the set NAME from prompts, matched pairs and images with labels.

    Only what experts accepted is asked: have its images reviewed, then `radsmith teach accept`.
    """
    from radsmith.cli.options import model_of
    from radsmith.engines.choice import chosen
    from radsmith.teaching.drawing import Wish
    from radsmith.teaching.run import Recipe, make_set
    from radsmith.teaching.sets import set_folder

    recipe = Recipe(
        title=title or name,
        wish=Wish(
            prompts=[*((p, seed + k) for p in prompts for k in range(count)), *_listed(listed)],
            pairs=pairs,
            severities=severities,
            n=count,
            seed=seed,
        ),
        images=images,
        real=real,
        kinds=cast("tuple[Kind, ...]", kinds or _KINDS),
        studies=studies,
        rule=rule,
        unreviewed=unreviewed,
    )
    with bar("making the set") as tell:
        made = make_set(
            set_folder(_data(data), name), recipe, model_of(chosen(engine, model)), tell
        )
    _tell(made)


def _data(data: Path | None) -> Path:
    from radsmith.server.store.settings import data_folder

    return data or data_folder()


def _listed(path: Path | None) -> list[tuple[str, int]]:
    """The prompts of a list with their seeds, each as often as it says."""
    from radsmith.generation.prompt_list import read_list
    from radsmith.images.provenance import Settings

    rows = read_list(path, 1, 0, Settings()) if path else []
    wrong = [row for row in rows if row.error]
    if wrong:
        raise InvalidInput(f"{path}, line {wrong[0].line}: {wrong[0].error}")
    return [(row.prompt, row.seed + k) for row in rows for k in range(row.count)]


def _tell(made: TeachingSet) -> None:
    """What was made, what it cannot ask, and what has to be known of it."""
    from radsmith.teaching.labels import EVIDENCE, NO_TRIAL

    kinds = [item.kind for item in made.items]
    parts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in _KINDS if kind in kinds)
    click.echo(f"{made.name}: {len(made.items)} questions ({parts}), {len(made.series)} severities")
    for note in made.notes:
        click.echo(f"not asked: {note}", err=True)
    weak = [one.warning for one in made.classes if one.weak]
    for warning in weak:
        click.echo(f"weak: {warning}", err=True)
    if weak:
        click.echo(EVIDENCE, err=True)
    click.echo(NO_TRIAL, err=True)
    closed = len(made.items) - len(made.open_items)
    if closed:
        images = made.folder / "images"
        click.echo(
            f"{closed} questions wait for experts: radsmith review new STUDY --images {images}"
            f" --reader NAME, then radsmith teach accept {made.name} STUDY"
        )
    if made.unread:
        click.echo(f"{made.unread} images that no expert accepted are shown; the page says so")
    click.echo("learn: radsmith serve, then /teach")


@teach.command(name="accept")
@click.argument("name")
@click.argument("study", type=PATH)
@RULE
@DATA
def accept_command(name: str, study: Path, rule: str, data: Path | None) -> None:
    """Let the questions of NAME be asked whose images the review STUDY accepted."""
    from radsmith.teaching.sets import accept, set_folder

    made, verdicts = accept(set_folder(_data(data), name), study, rule)
    click.echo(
        f"{made.name}: {len(made.open_items)} of {len(made.items)} questions can be asked"
        f" ({len(verdicts.images)} images accepted in {verdicts.study})"
    )
    if verdicts.simulated:
        click.echo(f"SIMULATED readers, no experts: {', '.join(verdicts.simulated)}", err=True)


@teach.command(name="list")
@JSON
@DATA
def list_command(as_json: bool, data: Path | None) -> None:
    """List the sets."""
    from radsmith.teaching.about import about
    from radsmith.teaching.sets import list_sets

    if data is not None and not data.is_dir():
        raise NotFound(f"no such folder: {data}; give --data as `radsmith serve` has it")
    found = list_sets(_data(data))
    if as_json:
        print_json([{"name": one.name, **about(one)} for one in found])
        return
    for one in found:
        state = ", not reviewed" if one.unread else ""
        asked = f"{len(one.open_items)} of {len(one.items)} questions can be asked"
        click.echo(f"{one.name}  {asked}{state}  {one.title}")
    if not found:
        click.echo("no sets yet: make one with radsmith teach new NAME --prompt …", err=True)


@teach.command()
@click.argument("name")
@JSON
@DATA
@DATABASE
def results(name: str, as_json: bool, data: Path | None, db: str) -> None:
    """Each learner's progress, each question's difficulty and discrimination, by first answers."""
    from dataclasses import asdict

    from radsmith.teaching.quiz import class_of

    opened, answers = _answers(name, data, db)
    found = class_of(opened.open_items, answers)
    if as_json:
        items = [
            {"item": item.id, "kind": item.kind, "question": item.question, **asdict(one)}
            for item, one in zip(opened.open_items, found.items, strict=True)
        ]
        learners = {who: asdict(progress) for who, progress in found.learners.items()}
        print_json({"learners": learners, "items": items, "alpha": found.alpha})
        return
    for who, progress in found.learners.items():
        click.echo(f"{who}: {progress.right} right of {progress.answered} answered")
    for item, one in zip(opened.open_items, found.items, strict=True):
        hard = "–" if one.difficulty is None else f"{one.difficulty:.2f}"
        tells = "–" if one.discrimination is None else f"{one.discrimination:.2f}"
        remark = f"  {one.remark}" if one.remark else ""
        click.echo(f"{item.kind:8} right {hard:>4}  discrimination {tells:>5}  {item.told}{remark}")
    alpha = "–" if found.alpha is None else f"{found.alpha:.2f}"
    click.echo(f"Cronbach's alpha: {alpha}")


@teach.command()
@click.argument("name")
@click.argument("learner")
@DATA
@DATABASE
def forget(name: str, learner: str, data: Path | None, db: str) -> None:
    """Delete what LEARNER answered to the set NAME."""
    from radsmith.server.teaching.answers import Answers
    from radsmith.teaching.sets import open_set, set_folder

    opened = open_set(set_folder(_data(data), name))
    database = _database(data, db)
    try:
        gone = Answers(database).forget(opened.id, learner)
    finally:
        database.close()
    click.echo(f"{gone} answers of {learner} are deleted")


@teach.command()
@click.argument("name")
@click.option(
    "--as",
    "form",
    type=click.Choice(("csv", "items", "xapi", "scorm", "anki")),
    required=True,
    help="Answers (csv, xapi), figures of questions (items), the set itself (scorm, anki).",
)
@click.option("--learner", help="Of this learner alone; of anki: what he missed.")
@click.option("--home", default="", help="Address by which xAPI names accounts: https://…")
@click.option("-o", "out", type=PATH, required=True)
@DATA
@DATABASE
def export(
    name: str, form: str, learner: str | None, home: str, out: Path, data: Path | None, db: str
) -> None:
    """Write the set NAME or its answers for other programs."""
    from radsmith.files import write_atomically
    from radsmith.server.teaching.files import exported

    opened, answers = _answers(name, data, db)
    only = None
    if learner is not None:
        answers = [one for one in answers if one.learner == learner]
        if form in ("scorm", "anki"):
            missed = {one.item for one in answers if not one.correct}
            only = [item for item in opened.open_items if item.id in missed]
            if not only:
                raise InvalidInput(f"{learner!r} has missed nothing in {name}")
    write_atomically(out, exported(form, opened, answers, home, only=only))
    click.echo(str(out))


def _answers(name: str, data: Path | None, db: str) -> tuple[TeachingSet, list[Given]]:
    """A set, and what was answered."""
    from radsmith.server.teaching.answers import Answers
    from radsmith.teaching.sets import open_set, set_folder

    opened = open_set(set_folder(_data(data), name))
    database = _database(data, db)
    try:
        return opened, Answers(database).given(opened.id)
    finally:
        database.close()


def _database(data: Path | None, db: str) -> Database:
    from radsmith.cli.serving import require_server

    require_server()
    from radsmith.files import prepare_folder
    from radsmith.server.store.database import Database
    from radsmith.server.store.settings import ServerSettings

    settings = ServerSettings(folder=_data(data), database=db)
    prepare_folder(settings.folder)
    return Database(settings.database_url)
