"""Names of edited files: short where nothing else is there, else with what differs.

The first edit of an image is `chest-vary-0`; another of the same kind with other settings is
`chest-vary-strength0.3-0` beside it, and the same one again finds its file and stops.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from radsmith.editing.operations import Edited

_MARK = "; request "
_NOT_ASKED = frozenset(("folder", "force", "count", "seed", "keep_reference", "strict", "image"))
_LONGEST = 90


def asked_for(context: click.Context, digest: str) -> str:
    """Eight hexadecimal digits that tell requests apart: all that was given, and the image.

    digest: of the image's pixels. Files that are named count by what is in them.
    """
    said = [digest, context.command.name]
    for name, value in sorted(context.params.items()):
        if name in _NOT_ASKED:
            continue
        if isinstance(value, Path) and value.is_file():
            value = hashlib.sha256(value.read_bytes()).hexdigest()
        said.append(f"{name}={value}")
    return hashlib.sha256("\0".join(map(str, said)).encode("utf-8", "replace")).hexdigest()[:8]


def marked(edited: Edited, asked: str) -> Edited:
    """The edit with its request's digits in its record."""
    record = replace(edited.record, edit=f"{edited.record.edit}{_MARK}{asked}")
    return replace(edited, record=record)


def made_otherwise(paths: Sequence[Path], asked: str) -> bool:
    """Whether one of the files is there and holds an edit that was asked for otherwise."""
    from radsmith.errors import RadsmithError
    from radsmith.images.pictures import read_record

    for path in paths:
        if path.exists():
            try:
                if not read_record(path).edit.endswith(f"{_MARK}{asked}"):
                    return True
            except RadsmithError:
                return True
    return False


def what_differs(context: click.Context) -> str:
    """What was given on the command line, for a name: "strength0.3", "box-10-10-40-40"."""
    words = []
    for name, value in given(context).items():
        text = value.stem if isinstance(value, Path) else f"{value}"
        short = re.sub(r"[^\w.]+", "-", text).strip("-.")
        if name not in ("prompt", "add", "other"):
            key = name.removesuffix("_file")
            short = f"{key}-{short}" if isinstance(value, (str, Path)) else f"{key}{short}"
        words.append(short)
    whole = "-".join(word for word in words if word)
    if len(whole) <= _LONGEST:
        return whole
    end = hashlib.sha256(whole.encode()).hexdigest()[:6]
    return f"{whole[: _LONGEST - 7].rstrip('-.')}-{end}"


def given(context: click.Context) -> Mapping[str, Any]:
    """Parameters that were given and say how the image is edited, in the command's order."""
    found = {}
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if name in _NOT_ASKED or source is not click.core.ParameterSource.COMMANDLINE:
            continue
        value = context.params.get(name)
        if value is not None and value is not False:
            found[name] = value
    return found
