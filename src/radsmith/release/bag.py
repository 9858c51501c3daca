"""A bag (BagIt 1.0, RFC 8493) on disk: its files, their SHA-256 manifests, and nothing else.

Links, devices, names that differ by case alone and paths that leave the bag are told by `listed`,
never followed.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from radsmith.files import write_atomically

PAYLOAD = "data"
MANIFEST, TAG_MANIFEST = "manifest-sha256.txt", "tagmanifest-sha256.txt"
DECLARATION, INFO = "bagit.txt", "bag-info.txt"
_DECLARED = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")
_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What lies in a folder. files: path within it, with slashes, to size; refused: path, why."""

    files: Mapping[str, int]
    refused: tuple[tuple[str, str], ...]


def listed(folder: Path) -> Listing:
    """Every file below the folder; links and devices are refused, not followed."""
    files: dict[str, int] = {}
    refused: list[tuple[str, str]] = []
    for path, entry in _walk(folder, ""):
        if entry.is_symlink():
            refused.append((path, "a link: a bundle holds files alone"))
        elif entry.is_file(follow_symlinks=False):
            files[path] = entry.stat(follow_symlinks=False).st_size
        else:
            refused.append((path, "neither a file nor a folder"))
    return Listing(files=files, refused=(*refused, *alike_names(files)))


def alike_names(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Names that some file systems take for one: they differ by case or by composition alone."""
    seen: dict[str, str] = {}
    for name in sorted(names):
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in seen:
            yield name, f"its name differs from {seen[folded]} by case alone"
        seen.setdefault(folded, name)


def outside(path: str) -> bool:
    """Whether a manifest's path may lead out of the bag: absolute, .., a drive, a backslash."""
    parts = path.split("/")
    return (
        path.startswith(("/", "~"))
        or "\\" in path
        or "\0" in path
        or ":" in parts[0]
        or any(part in ("", ".", "..") for part in parts)
    )


Look = Callable[[str, bytes], None]
"""Sees a file's path and bytes while they are hashed, so that nothing is read twice."""


def digests(folder: Path, names: Iterable[str], look: Look | None = None) -> dict[str, str]:
    """SHA-256 of files, hexadecimal; read by a few threads, as hashing lets go of Python's lock.

    look: called from those threads, of files of less than a megabyte.
    """
    ordered, root = sorted(names), str(folder)
    workers = min(4, os.cpu_count() or 1)
    parts = [ordered[k::workers] for k in range(workers)]

    def of(part: list[str]) -> dict[str, str]:
        return {name: digest(f"{root}/{name}", name, look) for name in part}

    with ThreadPoolExecutor(workers) as pool:
        found = {n: d for part in pool.map(of, parts) for n, d in part.items()}
    return {name: found[name] for name in ordered}


def digest(path: Path | str, name: str = "", look: Look | None = None) -> str:
    """SHA-256 of one file, hexadecimal; a link is not followed. name, look: of `digests`."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    found, descriptor = hashlib.sha256(), os.open(path, flags)
    try:
        size = min(_CHUNK, os.fstat(descriptor).st_size + 1)  # no megabyte for a small file
        while block := os.read(descriptor, size):
            found.update(block)
            if look is not None and len(block) < size < _CHUNK:  # all of it
                look(name, block)
    finally:
        os.close(descriptor)
    return found.hexdigest()


def manifest_text(files: Mapping[str, str]) -> str:
    """Lines of a manifest, in the order of the paths."""
    return "".join(f"{files[path]}  {_escaped(path)}\n" for path in sorted(files))


def read_manifest(text: str) -> tuple[dict[str, str], list[str]]:
    """Path to digest, and what is wrong with lines that are not `manifest_text`'s."""
    files: dict[str, str] = {}
    wrong = []
    for number, line in enumerate(text.splitlines(), start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            wrong.append(f"line {number} is not a SHA-256 and a path")
            continue
        path = _unescaped(match[2])
        if outside(path):
            wrong.append(f"line {number} names {path!r}, outside the bundle")
        elif path in files:
            wrong.append(f"line {number} names {path} a second time")
        else:
            files[path] = match[1]
    return files, wrong


def close_bag(folder: Path, info: Mapping[str, str], tags: Mapping[str, bytes]) -> str:
    """Write tag files and manifests around `data/`; returns the tag manifest's SHA-256.

    info: of bag-info.txt.  tags: further files at the top.  Nothing may be added afterwards but
    the signature.
    """
    payload = [name for name in listed(folder).files if name.startswith(f"{PAYLOAD}/")]
    manifest = digests(folder, payload)
    size = sum((folder / name).stat().st_size for name in payload)
    facts = {**info, "Payload-Oxum": f"{size}.{len(payload)}"}
    lines = "".join(f"{key}: {' '.join(value.split())}\n" for key, value in facts.items())
    files = {
        DECLARATION: _DECLARED,
        INFO: lines.encode(),
        MANIFEST: manifest_text(manifest).encode(),
        **tags,
    }
    for name, data in files.items():
        write_atomically(folder / name, data)
    tag = manifest_text({n: hashlib.sha256(d).hexdigest() for n, d in files.items()}).encode()
    write_atomically(folder / TAG_MANIFEST, tag)
    return hashlib.sha256(tag).hexdigest()


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            path = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), path + "/")
            else:
                yield path, entry


def _escaped(path: str) -> str:
    """RFC 8493 2.1.3: percent, CR and LF are percent-encoded."""
    return path.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _unescaped(path: str) -> str:
    for code, sign in (("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        path = path.replace(code, sign).replace(code.lower(), sign)
    return path
