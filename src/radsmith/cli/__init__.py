"""The command line: one command a use case. Touches anything; imports are lazy for speed."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

from radsmith import __version__
from radsmith.cli import (
    auditing,
    augmenting,
    editing,
    finetuning,
    importing,
    making,
    measuring,
    releasing,
    review_demo,
    review_results,
    reviewing,
    serving,
    teaching,
    training,
    usefulness,
)
from radsmith.cli.terminal import one_line
from radsmith.errors import RadsmithError, Unavailable


@click.group()
@click.version_option(__version__)
def cli() -> None:
    """Make synthetic radiology images from short prompts. Not for diagnosis."""


_PARTS = (review_demo, review_results)  # of the group `review`: importing them is enough
_MODULES = [making, editing, importing, augmenting, finetuning, measuring, training]
_MODULES += [auditing, releasing, serving]
for _module in _MODULES:
    _own = [c for c in vars(_module).values() if isinstance(c, click.Command)]
    _inner = [
        c for group in _own if isinstance(group, click.Group) for c in group.commands.values()
    ]
    for _command in _own:
        if _command not in _inner:
            cli.add_command(_command)
cli.add_command(reviewing.review)
cli.add_command(teaching.teach)
measuring.evaluate.add_command(usefulness.utility)


def main() -> None:
    """Entry point: what goes wrong becomes one line and an exit code; RADSMITH_TRACEBACK=1 shows
    where a fault of radsmith's own lies."""
    try:
        cli()
    except RadsmithError as error:
        _end(str(error), error.exit_code)
    except OSError as error:
        named = f": {error.filename}" if error.filename else ""
        _end(f"{error.strerror or type(error).__name__}{named}", Unavailable.exit_code)
    except MemoryError:
        _end("out of memory: ask for less at once, or close other programs", Unavailable.exit_code)
    except Exception as error:
        if os.environ.get("RADSMITH_TRACEBACK"):
            raise
        said = f"{type(error).__name__}: {error}"
        _end(f"a fault of radsmith, please report it with what you gave it: {said}", 1)


def _end(message: str, code: int) -> NoReturn:
    click.echo(f"radsmith: {one_line(message)}", err=True)
    sys.exit(code)
