"""WebDataset shards: tar files of KEY.png and KEY.json, the same bytes for the same images."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator

from radsmith.release.bag import alike_names, outside

MOST_IMAGES, MOST_BYTES = 1000, 256 << 20
"""Of one shard."""


def shard(samples: Iterable[tuple[str, bytes]]) -> bytes:
    """A tar of these files (name, bytes), without owner and time."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in samples:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def cut(sizes: Iterable[int]) -> Iterator[int]:
    """For each image the number of the shard it goes to."""
    number = images = held = 0
    for size in sizes:
        if images and (images >= MOST_IMAGES or held + size > MOST_BYTES):
            number, images, held = number + 1, 0, 0
        images, held = images + 1, held + size
        yield number


def entries(data: bytes) -> tuple[dict[str, str], list[str]]:
    """SHA-256 of each file in a tar by its name, and what is wrong with the others."""
    found: dict[str, str] = {}
    wrong: list[str] = []
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isreg() else None
                if file is None:
                    wrong.append(f"{member.name!r} is not an ordinary file")
                elif outside(member.name):
                    wrong.append(f"{member.name!r} leads outside")
                elif member.name in found:
                    wrong.append(f"{member.name} is there twice")
                else:
                    found[member.name] = hashlib.sha256(file.read()).hexdigest()
    except tarfile.TarError as error:
        wrong.append(f"it is not a whole tar: {error}")
    wrong += [f"{name}: {why}" for name, why in alike_names(found)]
    return found, wrong
