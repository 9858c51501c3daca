"""Commands for one's own data: report."""

from __future__ import annotations

from pathlib import Path

import click

from radsmith.errors import InvalidInput


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

    from rich.console import Console

    from radsmith.adapters.console import report_table
    from radsmith.adapters.reports import report_text
    from radsmith.report import read_report

    read = read_report(
        report_text(file), _named("modality", modality), _named("body_part", body_part)
    )
    if as_json:
        labels = {c: None if math.isnan(v) else int(v) for c, v in read.labels().items()}
        click.echo(json.dumps(labels, indent=1))
        return
    Console(highlight=False, markup=False).print(report_table(read))


def _named(kind: str, words: str | None) -> str | None:
    """The id of the one concept of a kind that the words name."""
    from radsmith.vocabulary import default_vocabulary

    if words is None:
        return None
    found = [c for c in default_vocabulary().find(words) if c.startswith(f"{kind}:")]
    if not found:
        raise InvalidInput(f"“{words}” names no {kind.replace('_', ' ')} of the vocabulary")
    return found[0]
