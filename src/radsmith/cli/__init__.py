"""The command line: one command a use case. Touches anything; imports are lazy for speed."""

from __future__ import annotations

import sys

import click

from radsmith import __version__
from radsmith.cli import (
    augmenting,
    editing,
    finetuning,
    importing,
    making,
    measuring,
    releasing,
    serving,
    training,
)
from radsmith.errors import RadsmithError


@click.group()
@click.version_option(__version__)
def cli() -> None:
    """Make synthetic radiology images from short prompts. Not for diagnosis."""


_MODULES = (
    making, editing, importing, augmenting, finetuning, measuring, training, releasing, serving,
)  # fmt: skip
for _module in _MODULES:
    _own = [c for c in vars(_module).values() if isinstance(c, click.Command)]
    _inner = [
        c for group in _own if isinstance(group, click.Group) for c in group.commands.values()
    ]
    for _command in _own:
        if _command not in _inner:
            cli.add_command(_command)


def main() -> None:
    """Entry point: a RadsmithError becomes one line and its exit code."""
    try:
        cli()
    except RadsmithError as error:
        click.echo(f"radsmith: {error}", err=True)
        sys.exit(error.exit_code)
