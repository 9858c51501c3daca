"""How long `radsmith verify` takes on a large bundle: python benchmarks/verifying.py [-n IMAGES].

The bundle is made of noise with real records, so that nothing is drawn. Reading all of it once, as
`cat` does, is what it is compared with: from the disk first (the bundle's pages are evicted), then
from the page cache. Seconds are of the wall, then of this process's processors.
"""

import argparse
import csv
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from radsmith.engines.model_files import load_facts
from radsmith.generation.plan import plan
from radsmith.images.image import Image
from radsmith.images.pictures import png_bytes
from radsmith.images.provenance import Generation
from radsmith.marks.keys import SigningKey, make_key
from radsmith.release.bag import TAG_MANIFEST, close_bag
from radsmith.release.integrity import Trust, check_integrity
from radsmith.release.layout import (
    DESCRIPTION,
    FIRST_PAGE,
    PROVENANCE,
    PUBLIC_KEY,
    SCORECARD,
    SIGNATURE,
    TABLE,
)
from radsmith.release.request import ReleaseRequest
from radsmith.release.run import release
from radsmith.release.statement import RELEASE, sealed, statement
from radsmith.release.verify import VerifyRequest, verify

PROMPT = "chest x-ray, PA view, adult, normal"
MADE = "2026-01-01T00:00:00+00:00"


def write_source(folder: Path, count: int) -> None:
    """PNGs of 256x256 that compress as radiographs do."""
    folder.mkdir()
    concepts = plan(PROMPT, load_facts()).concepts
    rng = np.random.default_rng(0)
    smooth = np.add.outer(np.linspace(0.1, 0.4, 256), np.linspace(0.1, 0.4, 256))
    for seed in range(count):
        pixels = np.clip(smooth + 0.02 * rng.standard_normal((256, 256)), 0, 1)
        record = Generation(
            radsmith_version="0.1.0", operation="generate", engine="onnx", model="none",
            model_digest="0" * 64, prompt=PROMPT, canonical_prompt=PROMPT, concepts=concepts,
            seed=seed, num_steps=8, guidance_scale=1.0, width=256, height=256, created=MADE,
            pixels_sha256="0" * 64,
        )  # fmt: skip
        data = png_bytes(Image(pixels=pixels, spacing=(1.0, 1.0)), record)
        (folder / f"image-{seed:06d}.png").write_bytes(data)


def multiply(bundle: Path, times: int, key: SigningKey) -> None:
    """Every image this many times, under other names on the same side, and the bag closed anew."""
    said = dict(check_integrity(bundle, Trust(key=key.public)).said)
    data = bundle / "data"
    lines = [json.loads(line) for line in (data / PROVENANCE).read_text().splitlines()]
    with (data / TABLE).open(newline="") as file:
        rows = list(csv.DictReader(file))
    named = []
    for k in range(times):
        for row, line in zip(rows, lines, strict=True):
            path = f"{row['file'].removesuffix('.png')}-{k}.png"
            (data / path).write_bytes((data / row["file"]).read_bytes())
            named.append((row | {"file": path}, line | {"file": path}))
    for row in rows:
        (data / row["file"]).unlink()
    with (data / TABLE).open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row, _ in named)
    (data / PROVENANCE).write_text("".join(json.dumps(line) + "\n" for _, line in named))
    said["counts"] = {name: n * times for name, n in said["counts"].items()}
    card = json.loads((data / SCORECARD).read_text())
    (data / SCORECARD).write_text(json.dumps(card | {"set": said["counts"]}))
    (data / DESCRIPTION).write_text(json.dumps(said))
    tags = {PUBLIC_KEY: key.public.to_bytes()}
    digest = close_bag(bundle, {}, tags)
    (bundle / FIRST_PAGE).unlink()
    (bundle / SIGNATURE).write_bytes(sealed(statement(RELEASE, {TAG_MANIFEST: digest}, said), key))


def evict(folder: Path) -> None:
    """Let go of the pages of these files, so that the next read is from the disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def seconds(function, *arguments, cold=False):
    """How long a call takes, and what it returns. cold: evict the bundle first."""
    if cold:
        evict(cold if isinstance(cold, Path) else arguments[0])
    start, used = time.perf_counter(), time.process_time()
    found = function(*arguments)
    spent = time.perf_counter() - start, time.process_time() - used
    return "{:.2f} s ({:.2f} core-s)".format(*spent), found


def read_all(folder: Path) -> int:
    """Every byte once."""
    return sum(len(path.read_bytes()) for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Make a bundle, read it, verify it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=10, help="copies of each image that is made")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_source(folder / "source", asked.n // asked.times)
        key = make_key(folder / "a.key", "benchmark")
        request = ReleaseRequest(
            source=folder / "source", out=folder / "bundle", title="benchmark", judged=False,
            without_review=True, without_audit=True, credentials=False,
        )  # fmt: skip
        spent, _ = seconds(release, request, key, MADE, lambda *_: None)
        print(f"release: {spent}")
        multiply(folder / "bundle", asked.times, key)
        trust = Trust(key=key.public)
        check = VerifyRequest(bundle=folder / "bundle", trust=trust, sample=0)
        for where in ("disk", "page cache", "disk", "page cache"):
            cold = where == "disk"
            print(f"from the {where}:")
            spent, size = seconds(read_all, folder / "bundle", cold=cold)
            print(f"  read: {size / 1e6:,.0f} MB in {spent}", flush=True)
            spent, found = seconds(check_integrity, folder / "bundle", trust, cold=cold)
            print(f"  signature and hashes: {spent}, {len(found.findings)} findings")
            spent, verdict = seconds(verify, check, cold=cold and folder / "bundle")
            print(f"  verify: {spent}, holds: {verdict.holds}", flush=True)


if __name__ == "__main__":
    main()
