"""Mutated inputs through import, edit, de-identification and upload, in processes with limits.

Each must end in success or one clear line: no traceback, no crash, no chatter of a decoder, no
more than 20 seconds of computing and 1 GiB. `tests/test_mutated_inputs.py` runs some hundred of
them; run more as

    python benchmarks/mutated_inputs.py 2000 --first 0 --keep /tmp/failures

Input number n is the same on every machine that has the same pydicom.
"""

from __future__ import annotations

import argparse
import gzip
import io
import multiprocessing
import os
import platform
import re
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from PIL import Image as Pillow
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from radsmith.errors import InvalidInput, RadsmithError

LONGEST_S = 20.0
MOST_MEMORY = 1024**3
LARGEST_SEED = 120_000
_LEAKS = re.compile(r"\n|\b0x[0-9a-f]{6,}|object at|Traceback|\.py\b", re.IGNORECASE)
_NUMBERS = (0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
_WORDS = ("", "0", "-1", "1e400", "nan", "inf", "65536", "1\\2\\3", "x" * 300, "\0", "a\nb", "Ω")
_KEYWORDS = [
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelSpacing",
    "PixelRepresentation",
    "PlanarConfiguration",
    "PhotometricInterpretation",
    "RescaleSlope",
    "RescaleIntercept",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "PixelPaddingValue",
    "PixelAspectRatio",
    "Modality",
    "BodyPartExamined",
    "PatientName",
    "PatientID",
    "PatientAge",
    "StudyDate",
    "SOPClassUID",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "SpecificCharacterSet",
    "FrameTime",
]
_CSV = (
    b"file,modality,body_part,findings,report,age,spacing\n"
    b'a.png,x-ray,chest,effusion,"No pneumothorax, ""small"" effusion.",44,0.2\n'
    b"b.png,ct,abdomen,,,,\n"
)
_XML = (
    b'<?xml version="1.0"?><eCitation><uId id="CXR1"/><MedlineCitation><Article><Abstract>'
    b'<AbstractText Label="FINDINGS">Heart size normal. No effusion.</AbstractText></Abstract>'
    b'</Article></MedlineCitation><parentImage id="CXR1_1"><panel/></parentImage></eCitation>'
)


@cache
def seeds() -> dict[str, bytes]:
    """Good inputs by name: what pydicom brings along, and made ones of every other kind."""
    found: dict[str, bytes] = {}
    for path in sorted(Path(str(get_testdata_file("CT_small.dcm"))).parent.glob("*.dcm")):
        if path.stat().st_size <= LARGEST_SEED and _is_small(path):
            found[path.name] = path.read_bytes()
    y, x = np.mgrid[:48, :64]
    levels = (127 + 90 * np.sin(x / 9) * np.cos(y / 7)).astype(np.uint8)
    shown = Pillow.fromarray(levels)
    for name, picture, options in (
        ("gray.png", shown, {}),
        ("deep.png", Pillow.fromarray(levels.astype(np.uint16) * 200), {}),
        ("colour.png", shown.convert("RGB"), {}),
        ("palette.png", shown.convert("P"), {}),
        ("alpha.png", Pillow.merge("LA", (shown, shown)), {}),
        ("plain.tif", shown, {}),
        ("deep.tif", Pillow.fromarray(levels.astype(np.uint16) * 200), {"compression": "lzw"}),
        ("deflated.tif", shown, {"compression": "tiff_adobe_deflate"}),
        ("white.tif", shown, {"tiffinfo": {262: 0}}),
        ("a.jpg", shown, {"quality": 80, "progressive": True}),
        ("a.webp", shown.convert("RGB"), {"quality": 80}),
    ):
        stream = io.BytesIO()
        kind = {"tif": "TIFF", "jpg": "JPEG"}.get(name[-3:], name.rpartition(".")[2].upper())
        picture.save(stream, kind, **options)
        found[name] = stream.getvalue()
    header = bytearray(352)
    header[:4] = struct.pack("<i", 348)
    header[40:56] = struct.pack("<8h", 3, 20, 24, 8, 1, 1, 1, 1)
    header[70:74] = struct.pack("<2h", 4, 16)
    header[76:108] = struct.pack("<8f", 1, 0.8, 0.8, 2.5, 1, 1, 1, 1)
    header[108:120] = struct.pack("<3f", 352, 1, 0)
    header[344:348] = b"n+1\0"
    volume = bytes(header) + np.arange(20 * 24 * 8, dtype="<i2").tobytes()
    found |= {"a.nii": volume, "a.nii.gz": gzip.compress(volume, mtime=0), "a.csv": _CSV}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("a.png"), found["gray.png"])
    return found | {"a.zip": stream.getvalue(), "a.xml": _XML, "mask.npy": _npy(levels > 128)}


def _is_small(path: Path) -> bool:
    """Whether reading every frame takes no more than a moment, text and all."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            head = pydicom.dcmread(path, force=True, stop_before_pixels=True)
            size = int(head.get("Rows", 0)) * int(head.get("Columns", 0))
            return size * int(head.get("NumberOfFrames") or 1) <= 128 * 128
        except (ValueError, TypeError):
            return True


def _npy(array: np.ndarray[Any, Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def mutated(number: int) -> tuple[str, bytes]:
    """The name and bytes of input `number`: one seed, mutated one to four times."""
    rng = np.random.default_rng(number)
    names = list(seeds())
    others = [name for name in names if not name.endswith(".dcm")]
    name = str(rng.choice(names if rng.random() < 0.6 else others))
    data = seeds()[name]
    if name.endswith(".dcm") and rng.random() < 0.5:
        data = _another_header(data, rng)
    else:
        for _ in range(int(rng.integers(1, 5))):
            data = _another(data, rng)
    return f"{number}-{name}", data


def _another(data: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes changed, cut, doubled, moved, or a number made extreme."""
    if not data:
        return b"\0"
    limit = len(data) if rng.random() < 0.5 else min(len(data), 600)
    at, span = int(rng.integers(limit)), int(rng.integers(1, 40))
    kind = int(rng.integers(7))
    if kind == 0:
        changed = bytearray(data)
        for place in rng.integers(0, limit, int(rng.integers(1, 9))):
            changed[int(place)] = int(rng.integers(256))
        return bytes(changed)
    if kind == 1:
        return data[:at] if rng.random() < 0.5 else data[:at] + data[at + span :]
    if kind == 2:
        return data[: at + span] + data[at:]
    if kind == 3:
        return data[:at] + bytes(span) + data[at + span :]
    if kind == 4:
        other = list(seeds().values())[int(rng.integers(len(seeds())))]
        start = int(rng.integers(max(1, len(other))))
        return data[:at] + other[start : start + 20 * span] + data[at:]
    if kind == 5:
        number, size = int(rng.choice(_NUMBERS)), int(rng.choice((1, 2, 4)))
        order = "little" if rng.random() < 0.7 else "big"
        put = (number & (1 << 8 * size) - 1).to_bytes(size, order)  # type: ignore[arg-type]
        return data[:at] + put + data[at + size :]
    word = str(rng.choice(_WORDS)).encode()
    return data[:at] + word + data[at + len(word) :]


def _another_header(data: bytes, rng: np.random.Generator) -> bytes:
    """One to four attributes of an object taken away or given another value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(io.BytesIO(data), force=True)
            for _ in range(int(rng.integers(1, 5))):
                _change(dataset, rng)
            stream = io.BytesIO()
            dataset.save_as(stream)
            return stream.getvalue()
        except Exception:  # pydicom does not write every change: bytes do
            return _another(data, rng)


def _change(dataset: Dataset, rng: np.random.Generator) -> None:
    keyword = str(rng.choice(_KEYWORDS))
    if keyword in dataset and rng.random() < 0.3:
        delattr(dataset, keyword)
    elif rng.random() < 0.6:
        value: Any = int(rng.choice(_NUMBERS[:10]))
        setattr(dataset, keyword, value if rng.random() < 0.7 else [value, value])
    else:
        setattr(dataset, keyword, str(rng.choice(_WORDS)))


def doors(folder: Path, *, draw: bool = True) -> dict[str, Callable[[Path], None]]:
    """What is done with an input. draw: edits end in an image drawn by the shipped model.

    Burned-in text is looked for by de-identification alone.
    """
    from radsmith.datasets.scan import scan_file
    from radsmith.datasets.state import Unit
    from radsmith.datasets.units import UnitOptions, pictures_of
    from radsmith.deidentification.attributes import Policy
    from radsmith.deidentification.run import deidentify_files
    from radsmith.editing.files import open_source, read_mask, write_edited
    from radsmith.images.pictures import read_record
    from radsmith.server.store.settings import Limits
    from radsmith.server.web.uploads import Uploads

    policy = Policy(secret=b"of this benchmark alone")
    uploads = Uploads(folder / "uploads", Limits())
    draws = _drawing() if draw else None

    def imported(path: Path) -> None:
        found, _ = scan_file(path)
        if found.reason or not found.kind:
            raise InvalidInput(found.reason or "a report, not an image")
        reasons = []
        indices = tuple(range(min(4, max(1, found.count))))
        unit = Unit(path=str(path), kind=found.kind, patient="p", study="s", indices=indices)
        for modality in ("x-ray", "ct")[: 1 if found.kind != "volume" else 2]:
            options = UnitOptions(policy=policy, source="s", modality=modality, text="keep")
            for made in pictures_of(unit, "", options):
                reasons.append(made.reason)
        for reason in reasons:
            _said(reason)
        if reasons and all(reasons):
            raise InvalidInput(reasons[0])

    def edited(path: Path) -> None:
        opened = open_source(path, 1)
        if draws is not None:
            result = draws(opened.source)
            out = (folder / "edited").with_suffix(opened.suffix)
            write_edited(result, opened, out)
            read_record(out)

    def deidentified(path: Path) -> None:
        tally = deidentify_files([path], folder / "clean", policy, "mask")
        for _, reason in tally.problems:
            raise InvalidInput(reason)

    def uploaded(path: Path) -> None:
        uploads.picture(path.read_bytes(), "image")

    def masked(path: Path) -> None:
        mask = read_mask(path, (48, 64))
        if path.suffix == ".png":
            uploads.mask(path.read_bytes(), mask.shape, "mask")

    every = {"import": imported, "edit": edited, "upload": uploaded, "mask": masked}
    return every | {"deidentify": deidentified}


def _drawing() -> Callable[[Any], Any]:
    """An inpainting of one box by the shipped model, in one step."""
    from radsmith.editing.operations import Task, inpaint
    from radsmith.engines.choice import load_engine
    from radsmith.images.provenance import Request, Settings

    engine = load_engine()
    request = Request(prompt="", seed=0, settings=Settings(num_steps=1))
    task = Task(engine=engine, planned=None, request=request, created="2026-01-01T00:00:00+00:00")

    def draw(source: Any) -> Any:
        mask = np.zeros(source.shape, np.bool_)
        mask[: max(1, source.shape[0] // 3), : max(1, source.shape[1] // 3)] = True
        return inpaint(source, mask, task)

    return draw


def _said(reason: str) -> None:
    """Raises AssertionError where a reason is no clear line."""
    if _LEAKS.search(reason) or len(reason) > 700:
        raise AssertionError(f"no clear line: {reason!r}")


def through(path: Path, ways: dict[str, Callable[[Path], None]]) -> dict[str, str]:
    """What each door answered: "" for success, the line of a refusal, or "!" and the fault."""
    from radsmith.server.web.problem import Problem

    answers = {}
    for name, way in ways.items():
        started = time.process_time()
        try:
            way(path)
            answers[name] = ""
        except (RadsmithError, Problem) as error:
            answers[name] = str(error)
            text = str(error).replace(str(path), "FILE")
            if _LEAKS.search(text) or len(text) > 700:
                answers[name] = f"! no clear line: {text!r}"
        except Exception:
            answers[name] = f"! {traceback.format_exc()}"
        if (took := time.process_time() - started) > LONGEST_S:
            answers[name] = f"! took {took:.0f} s"
    return answers


def _memory() -> int:
    """Peak resident bytes of this process since it was last asked (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak = int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) * 1024  # type: ignore[union-attr]
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    return peak


def _work(first: int, count: int, step: int, pipe: Any) -> None:
    """Every step-th input from `first`; tells of each before and after."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as chatter:
        os.dup2(chatter.fileno(), 2)
        ways = doors(Path(folder))
        for number in range(first, count, step):
            name, data = mutated(number)
            path = Path(folder) / "in" / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
            _memory()
            pipe.send((number, name, None))
            answers = through(path, ways)
            if (peak := _memory()) > MOST_MEMORY:
                answers["memory"] = f"! {peak / 1024**2:.0f} MiB"
            if os.fstat(2).st_size:
                os.lseek(2, 0, os.SEEK_SET)
                answers["chatter"] = f"! {os.read(2, 400)!r}"
                os.ftruncate(2, 0)
                os.lseek(2, 0, os.SEEK_SET)
            path.unlink()
            pipe.send((number, name, answers))


def _run(first: int, count: int, step: int) -> Iterator[tuple[str, int, dict[str, str]]]:
    """Answers of one lane of inputs; a process that hangs or dies costs its input alone."""
    context = multiprocessing.get_context("spawn")
    while first < count:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(first, count, step, theirs))
        process.start()
        theirs.close()
        name, number = "", first
        try:
            while True:
                if not ours.poll(6 * LONGEST_S):
                    process.kill()
                    yield name, number, {"process": "! hangs"}
                    break
                number, name, answers = ours.recv()
                if answers is not None:
                    yield name, number, answers
        except EOFError:
            process.join()
            if process.exitcode == 0:
                return
            yield name, number, {"process": f"! ended with {process.exitcode}"}
        process.join()
        first = number + step


def main() -> None:
    """Run so many inputs and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("count", type=int)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for inputs that failed")
    options = parser.parse_args()
    answers, faults = Counter[str](), 0
    started = time.monotonic()
    for name, number, found in _run(options.first, options.first + options.count, 1):
        bad = {door: text for door, text in found.items() if text.startswith("!")}
        faults += bool(bad)
        for door, text in found.items():
            answers[
                f"{door} {'FAULT' if text.startswith('!') else 'refused' if text else 'ok'}"
            ] += 1
        if bad:
            print(f"{number} {name}", *(f"\n  {d}: {t}" for d, t in bad.items()), flush=True)
            if options.keep:
                options.keep.mkdir(parents=True, exist_ok=True)
                (options.keep / name).write_bytes(mutated(number)[1])
    print(dict(sorted(answers.items())))
    print(
        f"{options.count} inputs, {faults} faults, {time.monotonic() - started:.0f} s;"
        f" {datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()}"
    )
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
