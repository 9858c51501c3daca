"""Is a bundle the one that was signed? Signature, tag manifest, manifest, files: each link.

Names what was changed, added, removed, renamed, swapped or re-ordered. Needs no network, and of
libraries cryptography alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from radsmith.errors import InvalidInput, NotFound
from radsmith.marks.keys import PublicKey, parse_public
from radsmith.release.bag import (
    DECLARATION,
    INFO,
    MANIFEST,
    PAYLOAD,
    TAG_MANIFEST,
    Listing,
    digests,
    listed,
    manifest_text,
    read_manifest,
)
from radsmith.release.layout import FIRST_PAGE, PUBLIC_KEY, SIGNATURE
from radsmith.release.png_chunks import Chunks, read_chunks
from radsmith.release.statement import RELEASE, opened

Kind = Literal[
    "changed", "added", "removed", "renamed", "swapped", "re-ordered", "refused", "signature",
    "record", "count", "split", "DICOM", "shard", "drawn otherwise",
]  # fmt: skip
_TAGS = frozenset((DECLARATION, INFO, MANIFEST, FIRST_PAGE, PUBLIC_KEY))
_TEXT = (".txt", ".jsonl", ".csv")
_LARGEST_TEXT = 1 << 28


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is wrong. path: of the file within the bundle, "" where it is of the whole."""

    kind: Kind
    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.path}{': ' if self.path and self.text else ''}{self.text}"


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Whom to believe: a public key, or a fingerprint that came another way.

    With neither, the bundle's own key is taken: that shows that it is whole, not whose it is.
    """

    key: PublicKey | None = None
    fingerprint: str = ""

    @property
    def known(self) -> bool:
        """Whether anything ties the signer to somebody."""
        return self.key is not None or bool(self.fingerprint)


@dataclass(frozen=True, kw_only=True)
class Integrity:
    """What was found. said: the signed predicate, empty where no signature held.

    files: path to SHA-256 as signed.  key: whose signature it is.  heads: of PNGs that were hashed.
    """

    findings: tuple[Finding, ...]
    files: Mapping[str, str]
    said: Mapping[str, Any]
    key: PublicKey | None
    heads: Mapping[str, Chunks]


def check_integrity(bundle: Path, trust: Trust) -> Integrity:
    """Follow the chain from the signature to every file.

    Raises NotFound where there is no folder, InvalidInput where it is no bundle at all.
    """
    if not bundle.exists():
        raise NotFound(f"no such folder: {bundle}")
    if not bundle.is_dir() or not any((bundle / n).exists() for n in (SIGNATURE, TAG_MANIFEST)):
        raise InvalidInput(
            f"{bundle} is not a radsmith bundle: it has no {SIGNATURE}; unpack it, or name the"
            " folder that holds it"
        )
    listing = listed(bundle)
    findings = [Finding(kind="refused", path=p, text=why) for p, why in listing.refused]
    heads: dict[str, Chunks] = {}

    def look(name: str, data: bytes) -> None:
        if name.endswith(".png"):
            heads[name] = read_chunks(data)

    found = digests(bundle, listing.files, look)
    key, wrong = _signer(bundle, listing, trust)
    findings += wrong
    statement: Mapping[str, Any] = {}
    if key is not None and SIGNATURE in listing.files:
        try:
            statement = opened((bundle / SIGNATURE).read_bytes(), key, RELEASE)
        except InvalidInput as error:
            findings.append(Finding(kind="signature", path=SIGNATURE, text=str(error)))
    elif SIGNATURE not in listing.files:
        findings.append(
            Finding(kind="removed", path=SIGNATURE, text="nothing vouches for the rest")
        )
    signed, wrong = _signed_files(bundle, found, statement)
    findings += [
        *wrong,
        *compared(bundle, signed, {n: d for n, d in found.items() if n != SIGNATURE}),
    ]
    return Integrity(
        findings=tuple(findings),
        files=signed,
        said=dict(statement.get("predicate", {})),
        key=key,
        heads=heads,
    )


def compared(
    folder: Path, signed: Mapping[str, str], found: Mapping[str, str]
) -> Iterator[Finding]:
    """What differs between files as signed and as found: path to SHA-256 each."""
    missing = {n: d for n, d in signed.items() if n not in found}
    extra = {n: d for n, d in found.items() if n not in signed}
    changed = {n: d for n, d in found.items() if n in signed and signed[n] != d}
    owners = {signed[n]: n for n in (*changed, *missing)}
    for name, digest in sorted(changed.items()):
        owner = owners.get(digest)
        if owner is not None:
            yield Finding(kind="swapped", path=name, text=f"it holds what belongs in {owner}")
        elif _sorted_digest(folder / name) == signed[name]:
            yield Finding(kind="re-ordered", path=name, text="its lines are not in their order")
        else:
            yield Finding(kind="changed", path=name, text="")
    moved = set()
    for name, digest in sorted(extra.items()):
        origin = owners.get(digest)
        if origin in missing:
            moved.add(origin)
            yield Finding(kind="renamed", path=name, text=f"it was {origin}")
        else:
            yield Finding(kind="added", path=name, text="nobody signed it")
    for name in sorted(missing.keys() - moved):
        yield Finding(kind="removed", path=name, text="")


def _signer(bundle: Path, listing: Listing, trust: Trust) -> tuple[PublicKey | None, list[Finding]]:
    """The key that must have signed: the one that is trusted, or the bundle's own."""
    if trust.key is not None:
        return trust.key, []
    if PUBLIC_KEY not in listing.files:
        return None, []  # its absence is found with the other files
    try:
        key = parse_public((bundle / PUBLIC_KEY).read_bytes(), PUBLIC_KEY)
    except InvalidInput as error:
        return None, [Finding(kind="signature", path=PUBLIC_KEY, text=str(error))]
    if trust.fingerprint and key.fingerprint != trust.fingerprint:
        text = f"the bundle is of another signer: its key is {key.fingerprint}"
        return None, [Finding(kind="signature", path=PUBLIC_KEY, text=text)]
    return key, []


def _signed_files(
    bundle: Path, found: Mapping[str, str], statement: Mapping[str, Any]
) -> tuple[dict[str, str], list[Finding]]:
    """Path to SHA-256 of every file that was signed, but for the signature itself.

    A manifest that was changed is made again from the files: where that fits, they are whole.
    """
    findings: list[Finding] = []
    subjects = {s["name"]: s["digest"]["sha256"] for s in statement.get("subject", [])}
    top = subjects.get(TAG_MANIFEST, found.get(TAG_MANIFEST, ""))
    here = {n: d for n, d in found.items() if n in _TAGS}
    tags = _manifest(bundle, TAG_MANIFEST, top, found, here, findings)
    payload = {n: d for n, d in found.items() if n.startswith(f"{PAYLOAD}/")}
    expected = tags.get(MANIFEST, "")
    files = _manifest(bundle, MANIFEST, expected, found, payload, findings)
    return {TAG_MANIFEST: top, **tags, **files}, findings


def _manifest(
    bundle: Path,
    name: str,
    expected: str,
    found: Mapping[str, str],
    files: Mapping[str, str],
    findings: list[Finding],
) -> dict[str, str]:
    """The entries of a manifest with this digest; files: what it should list, as found."""
    again = manifest_text(files)
    if found.get(name) != expected and hashlib.sha256(again.encode()).hexdigest() == expected:
        return dict(files)
    if name not in found:
        return dict(files)  # that it was removed is found with the other files
    entries, wrong = read_manifest((bundle / name).read_text("utf-8", "replace"))
    findings += [Finding(kind="refused", path=name, text=why) for why in wrong]
    return entries


def _sorted_digest(path: Path) -> str:
    """SHA-256 of a text file with its lines in order (of CSV, below the head); "" for others."""
    if path.suffix not in _TEXT or path.stat().st_size > _LARGEST_TEXT:
        return ""
    lines = path.read_bytes().splitlines(keepends=True)
    if path.name == MANIFEST or path.name == TAG_MANIFEST:
        lines.sort(key=lambda line: line[66:])
    else:
        head = 1 if path.suffix == ".csv" else 0
        lines[head:] = sorted(lines[head:])
    return hashlib.sha256(b"".join(lines)).hexdigest()
