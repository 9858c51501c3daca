"""Recalling images that were released: a signed list, which `verify` looks for beside a bundle.

The list is a DSSE envelope of its own; its subjects are the files that are withdrawn. A list that
never reaches a receiver warns nobody, and one that was deleted leaves no trace: it is also for
sending by mail and for a page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radsmith.errors import InvalidInput, NotFound
from radsmith.files import read_bytes, write_atomically
from radsmith.marks.keys import PublicKey, SigningKey
from radsmith.release.integrity import Trust, check_integrity
from radsmith.release.statement import WITHDRAWAL, opened, sealed, statement

SUFFIX = ".withdrawn.dsse.json"


@dataclass(frozen=True, kw_only=True)
class Withdrawn:
    """A list. files: path in the bundle to SHA-256.  reasons: path to why, and when."""

    files: Mapping[str, str]
    reasons: Mapping[str, Mapping[str, str]]


def list_path(bundle: Path) -> Path:
    """Where the list of a bundle lies: beside it."""
    return bundle.resolve().with_name(bundle.resolve().name + SUFFIX)


def withdraw(
    bundle: Path, names: Sequence[str], reason: str, key: SigningKey, made: str, path: Path
) -> Withdrawn:
    """Add files of a bundle to its list, which is written to `path` and signed anew.

    names: paths of PNGs as in images.csv, or file names or stems; every rendition of an image is
    withdrawn with it.  Raises InvalidInput where the key is not the bundle's, the bundle does not
    hold or no reason is given, NotFound for a name that is not in it.
    """
    if not reason.strip():
        raise InvalidInput("say why: --reason")
    held = check_integrity(bundle, Trust(key=key.public))
    if held.findings:
        raise InvalidInput(f"{bundle} is not as this key signed it ({held.findings[0]})")
    before = read_list(path, key.public) if path.exists() else Withdrawn(files={}, reasons={})
    files, reasons = dict(before.files), dict(before.reasons)
    for name in names:
        stem = Path(name).name.partition(".")[0]
        matching = {n: d for n, d in held.files.items() if Path(n).name.partition(".")[0] == stem}
        matching = {
            n: d for n, d in matching.items() if n.startswith(("data/images/", "data/dicom/"))
        }
        if not any(n.endswith(".png") for n in matching):
            raise NotFound(f"{bundle} holds no image {name}; its images.csv lists them")
        files |= matching
        reasons |= {n: {"reason": reason.strip(), "withdrawn": made} for n in matching}
    predicate: dict[str, Any] = {"bundle": held.said.get("title", ""), "reasons": reasons}
    write_atomically(path, sealed(statement(WITHDRAWAL, files, predicate), key))
    return Withdrawn(files=files, reasons=reasons)


def read_list(path: Path, key: PublicKey) -> Withdrawn:
    """A list that this key signed. Raises NotFound, or InvalidInput that says what is wrong."""
    try:
        said = opened(read_bytes(path), key, WITHDRAWAL)
        files = {s["name"]: s["digest"]["sha256"] for s in said["subject"]}
        return Withdrawn(files=files, reasons=dict(said["predicate"]["reasons"]))
    except (KeyError, TypeError) as error:
        raise InvalidInput(f"{path} is not a list of withdrawn images: {error}") from error
