"""The command line: one command a use case. Touches anything; imports are lazy for speed."""

from __future__ import annotations

import sys

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
    serving,
    training,
    usefulness,
)
from radsmith.errors import RadsmithError


@click.group()
@click.version_option(__version__)
def cli() -> None:
    """Make synthetic radiology images from short prompts. Not for diagnosis."""


_MODULES = (
    making,
    editing,
    importing,
    augmenting,
    finetuning,
    measuring,
    auditing,
    serving,
    training,
)
for _module in _MODULES:
    for _command in vars(_module).values():
        if isinstance(_command, click.Command):
            cli.add_command(_command)
measuring.evaluate.add_command(usefulness.utility)


def main() -> None:
    """Entry point: a RadsmithError becomes one line and its exit code."""
    try:
        cli()
    except RadsmithError as error:
        click.echo(f"radsmith: {error}", err=True)
        sys.exit(error.exit_code)
