"""Commands of the server: serve, work, key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from radsmith.cli.options import ENGINE, MODEL, SIGN
from radsmith.errors import InvalidInput, NotFound, RadsmithError, Unavailable

if TYPE_CHECKING:
    from radsmith.server.store.settings import ServerSettings, SignOn

DEFAULT_PORT = 8400
MOST_WORKERS = 4


DB = click.option(
    "--db",
    default="",
    envvar="RADSMITH_DB",
    help="postgresql://USER:PASSWORD@HOST/NAME instead of SQLite; for several servers.",
)
BLOBS = click.option(
    "--blobs",
    default="",
    envvar="RADSMITH_BLOBS",
    help="Where images are kept: s3://BUCKET/FOLDER, or a folder that servers share.",
)


@click.command()
@click.option("--host", default="127.0.0.1", help="Address to listen on; default: this machine.")
@click.option("--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, help="0: a free one.")
@click.option("--workers", type=click.IntRange(0, 256), help="Processes that draw; default: cores.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of database and images.")
@DB
@BLOBS
@click.option("--keys", is_flag=True, help="Ask for an API key; needed for any other host.")
@click.option("--public-url", default="", help="How a proxy in front is reached: https://…")
@click.option(
    "--queue", type=click.IntRange(1, 10**6), default=400, help="Images that may wait in all."
)
@click.option("--per-key", type=click.IntRange(1, 10**6), default=200, help="… of one key.")
@click.option(
    "--rate", type=click.IntRange(1, 10**6), default=600, help="Requests a minute of one key."
)
@click.option(
    "--deadline", type=click.IntRange(1, 10**6), default=300, help="Seconds for a request."
)
@click.option(
    "--study",
    "studies",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A study to be reviewed at /review; once for each.",
)
@click.option(
    "--sso",
    nargs=2,
    help="ISSUER CLIENT of OpenID Connect, for people who review; its"
    " secret comes from $RADSMITH_SSO_SECRET.",
)
@SIGN
@ENGINE
@MODEL
def serve(
    host: str,
    port: int,
    workers: int | None,
    data: Path | None,
    db: str,
    blobs: str,
    keys: bool,
    public_url: str,
    queue: int,
    per_key: int,
    rate: int,
    deadline: int,
    studies: tuple[Path, ...],
    sso: tuple[str, str] | None,
    sign: Path | None,
    engine: str | None,
    model: Path | None,
) -> None:
    """Serve OpenAI's Images API at /v1, the studio at /, studies at /review and sets at /teach.

    Nothing leaves it, unless --engine is elsewhere. Stop with Ctrl-C: images at work are finished,
    waiting ones are kept and made at the next start.
    """
    require_server()
    from radsmith.engines.choice import chosen
    from radsmith.server.store.settings import Limits, ServerSettings, data_folder

    if public_url and not public_url.startswith(("https://", "http://")):
        raise InvalidInput(f"--public-url must begin with https:// or http://, got {public_url!r}")
    settings = ServerSettings(
        folder=data or data_folder(),
        database=db,
        blobs=blobs,
        host=host,
        port=port,
        workers=_usual_workers(engine) if workers is None else workers,
        engine=chosen(engine, model),
        keys=keys,
        public_url=public_url,
        studies=studies,
        sign_on=_sign_on(sso),
        sign=sign,
        limits=Limits(queue=queue, per_key=per_key, requests_per_minute=rate, deadline_s=deadline),
    )
    run_server(settings)


@click.command()
@DB
@BLOBS
@click.option("--workers", type=click.IntRange(1, 256), help="Processes that draw; default: cores.")
@ENGINE
@MODEL
def work(
    db: str,
    blobs: str,
    workers: int | None,
    engine: str | None,
    model: Path | None,
) -> None:
    """Draw what the servers of one PostgreSQL are asked for; on any machine, as many as wanted.

    It listens nowhere. Stop with Ctrl-C or SIGTERM: images at work are finished, the rest is left
    to others. What a killed worker was at is drawn by another. See docs/scale.md.
    """
    require_server()
    from radsmith.engines.choice import chosen, load_facts
    from radsmith.server.store.settings import ServerSettings, data_folder
    from radsmith.server.working import work as draw

    choice = chosen(engine, model)
    load_facts(choice)  # a model that is not there is said before anything starts
    settings = ServerSettings(
        folder=data_folder(),
        database=db,
        blobs=blobs,
        workers=_usual_workers(engine) if workers is None else workers,
        engine=choice,
    )
    draw(settings)


def run_server(settings: ServerSettings) -> None:
    """Serve until stopped, after saying where."""
    from radsmith.marks.signing import Marks
    from radsmith.review.study import open_study
    from radsmith.server.front import address_of, listen
    from radsmith.server.front import serve as run
    from radsmith.server.store.store import open_store
    from radsmith.server.web.door import Door
    from radsmith.teaching.sets import SETS

    for study in settings.studies:
        open_study(study)  # before anything is started
    Marks(key=settings.sign).check()
    store = open_store(settings)
    try:
        door = Door(settings, store)
        bound = listen(settings)
    except RadsmithError:
        store.close()
        raise
    address = address_of(settings, bound)
    click.echo(f"studio: {address}/")
    click.echo(f"API:    {address}/v1 (OpenAI's client: base_url); described at {address}/docs")
    if settings.studies:
        click.echo(f"review: {address}/review")
    if settings.sign:
        click.echo("signed: PNG files carry content credentials; JPEG, WebP and DICOM cannot")
    if (settings.folder / SETS).is_dir():
        click.echo(f"teach:  {address}/teach")
    click.echo(f"data:   {settings.folder}; stop with Ctrl-C")
    run(door, bound)


@click.group(invoke_without_command=True)
@click.option("--add", "name", help="Make a key for NAME and show it, this once.")
@click.option("--revoke", "key_id", help="End the key of this id.")
@click.option("--data", type=click.Path(path_type=Path), help="The server's folder.")
@click.option(
    "--db", default="", envvar="RADSMITH_DB", help="The server's database, where it is not SQLite."
)
@click.pass_context
def key(
    context: click.Context, name: str | None, key_id: str | None, data: Path | None, db: str
) -> None:
    """List, make or end the API keys of `radsmith serve --keys`; release: a signing key."""
    if context.invoked_subcommand is not None:
        return
    require_server()
    from datetime import UTC, datetime

    from radsmith.files import prepare_folder
    from radsmith.server.store.database import Database
    from radsmith.server.store.keys import Keys
    from radsmith.server.store.settings import ServerSettings, data_folder

    if name is not None and key_id is not None:
        raise InvalidInput("give --add NAME or --revoke ID, not both")
    settings = ServerSettings(folder=data or data_folder(), database=db)
    if name is None and data is not None and not data.is_dir():
        raise NotFound(f"no such folder: {data}; give --data as `radsmith serve` has it")
    prepare_folder(settings.folder)
    database = Database(settings.database_url)
    try:
        keys = Keys(database)
        if name is not None:
            click.echo(keys.add(name))
        elif key_id is not None:
            keys.revoke(key_id)
            click.echo(f"revoked: {key_id}", err=True)
        else:
            known = keys.all()
            for one in known:
                day = datetime.fromtimestamp(one.created, UTC).date()
                state = "revoked" if one.revoked is not None else "in use"
                click.echo(f"{one.id}  {day}  {state}  {one.name}")
            if not known:
                said = "no keys yet: make one with `radsmith key --add NAME`"
                click.echo(f"{said} (in {settings.folder})", err=True)
    finally:
        database.close()


def _sign_on(sso: tuple[str, str] | None) -> SignOn | None:
    from radsmith.server.store.settings import SignOn

    if sso is None:
        return None
    secret = os.environ.get("RADSMITH_SSO_SECRET", "")
    if not sso[0].startswith(("https://", "http://")) or not secret:
        raise InvalidInput("--sso needs an issuer's address, a client, and $RADSMITH_SSO_SECRET")
    return SignOn(issuer=sso[0], client=sso[1], secret=secret)


def _usual_workers(engine: str | None) -> int:
    """A process a core; one where each would load a pipeline of gigabytes."""
    large = (engine or "").startswith("diffusers")
    return 1 if large else min(os.cpu_count() or 1, MOST_WORKERS)


def require_server() -> None:
    """Raises Unavailable where the extra is not installed, or files cannot be locked."""
    from importlib.util import find_spec

    if find_spec("fcntl") is None:
        raise Unavailable("the server runs on Linux and macOS; on Windows, use it inside WSL")

    needed = ["fastapi", "uvicorn", "sqlalchemy", "jinja2", "prometheus_client", "python_multipart"]
    needed += ["argon2"]
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise Unavailable(
            f"the server needs {', '.join(missing)}: install it with `pip install radsmith[serve]`"
        )
