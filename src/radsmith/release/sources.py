"""What may be released: images with a radsmith record, from a folder, a study or a data set.

Looks at bytes, never at names; what is left out is counted with its reason.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from radsmith.datasets.entry import is_synthetic
from radsmith.errors import InvalidInput, NotFound, RadsmithError
from radsmith.files import read_bytes
from radsmith.images.dicom.signature import is_dicom
from radsmith.images.pictures import is_npy, lies_beside, read_record, record_in
from radsmith.images.provenance import Generation

_PNG = b"\x89PNG\r\n\x1a\n"
_HEAD = 1 << 8
_MANIFESTS = ("train.csv", "test.csv")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An image that may be released. sha256: of the file.  mask, pair: files beside an edit.

    data: the file's bytes where it lies in a shard, else None.  split: of a data set, else "".
    digest: of the pixels, as a data set's manifest has it.
    """

    path: Path
    sha256: str
    record: Generation
    data: bytes | None = None
    split: str = ""
    mask: Path | None = None
    pair: Path | None = None
    digest: str = ""

    @property
    def audited(self) -> str:
        """What an audit knows it by: a data set's own digest of the pixels, else `sha256`."""
        return self.digest or self.sha256

    def bytes(self) -> bytes:
        """The file."""
        return read_bytes(self.path) if self.data is None else self.data


@dataclass
class Gathered:
    """Candidates in the order of their SHA-256; left_out: reason to number of files."""

    images: list[Candidate] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def gather(source: Path) -> Gathered:
    """Every image of the source that carries a radsmith record.

    Raises NotFound where there is no such folder, InvalidInput where nothing can be released.
    """
    check_folder(source)
    found = Gathered()
    data_set = any((source / name).is_file() for name in _MANIFESTS)
    for candidate in _of_data_set(source, found) if data_set else _of_folder(source, found):
        found.images.append(candidate)
    found.images.sort(key=lambda c: c.sha256)
    if not found.images:
        why = "; ".join(f"{n} {reason}" for reason, n in found.left_out.most_common())
        raise InvalidInput(
            f"{source} holds no image with a radsmith record ({why or 'it is empty'}): make some"
            " with radsmith generate"
        )
    return found


def check_folder(source: Path) -> None:
    """Raise NotFound where there is nothing, InvalidInput for a file."""
    if not source.exists():
        raise NotFound(f"no such folder: {source}")
    if not source.is_dir():
        raise InvalidInput(f"{source} is a file; release a folder, a study or a data set")


def _of_folder(source: Path, found: Gathered) -> Iterator[Candidate]:
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        if lies_beside(path):
            continue
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if not (head.startswith(_PNG) or is_dicom(head) or is_npy(head)):
            continue
        try:
            record = read_record(path)
        except RadsmithError:
            found.left_out["without a radsmith record"] += 1
            continue
        if not record.synthetic:
            found.left_out["not synthetic"] += 1
            continue
        stem = path.with_suffix("")
        mask, pair = (Path(f"{stem}{end}") for end in ("-mask.png", "-pair.json"))
        yield Candidate(
            path=path,
            sha256=hashlib.sha256(read_bytes(path)).hexdigest(),
            record=record,
            mask=mask if mask.is_file() else None,
            pair=pair if pair.is_file() else None,
        )


def _of_data_set(source: Path, found: Gathered) -> Iterator[Candidate]:
    """Rows marked synthetic; real images never leave by this door."""
    for split in ("train", "test"):
        path = source / f"{split}.csv"
        if not path.is_file():
            continue
        wanted: dict[str, dict[str, str]] = {}
        for row in csv.DictReader(io.StringIO(read_bytes(path).decode("utf-8"))):
            if is_synthetic(row):
                wanted.setdefault(row["shard"], {})[row["key"]] = row.get("digest") or ""
            else:
                found.left_out["real, of the data set"] += 1
        for shard, keys in sorted(wanted.items()):
            if Path(shard).name != shard:
                raise InvalidInput(f"{path} names the shard {shard!r}: expected a plain file name")
            yield from _of_shard(source / shard, keys, split, found)


def _of_shard(path: Path, keys: dict[str, str], split: str, found: Gathered) -> Iterator[Candidate]:
    if not path.is_file():
        raise NotFound(f"no shard {path}, which the manifest names")
    with tarfile.open(path) as tar:
        for member in tar:
            key, _, suffix = member.name.partition(".")
            file = tar.extractfile(member) if suffix == "png" and key in keys else None
            if file is None:
                continue
            data = file.read()
            try:
                record = record_in(data, Path(member.name))
            except RadsmithError:
                found.left_out["without a radsmith record"] += 1
                continue
            sha256 = hashlib.sha256(data).hexdigest()
            yield Candidate(
                path=Path(member.name),
                sha256=sha256,
                record=record,
                data=data,
                split=split,
                digest=keys[key],
            )


def finding_of(pair: Path | None) -> str:
    """The finding that a matched pair's JSON names; "" without one."""
    if pair is None:
        return ""
    try:
        said: Mapping[str, object] = json.loads(read_bytes(pair))
        return str(said.get("finding", ""))
    except (ValueError, AttributeError, RadsmithError):
        return ""
