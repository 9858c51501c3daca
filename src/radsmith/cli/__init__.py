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
    review_demo,
    review_results,
    reviewing,
    serving,
    training,
)
from radsmith.errors import RadsmithError


@click.group()
@click.version_option(__version__)
def cli() -> None:
    """Make synthetic radiology images from short prompts. Not for diagnosis."""


_PARTS = (review_demo, review_results)  # of the group `review`: importing them is enough
_MODULES = (making, editing, importing, augmenting, finetuning, measuring, serving, training)
for _module in _MODULES:
    for _command in vars(_module).values():
        if isinstance(_command, click.Command):
            cli.add_command(_command)
cli.add_command(reviewing.review)


def main() -> None:
    """Entry point: a RadsmithError becomes one line and its exit code."""
    try:
        cli()
    except RadsmithError as error:
        click.echo(f"radsmith: {error}", err=True)
        sys.exit(error.exit_code)
