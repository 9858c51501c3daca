"""What the shipped model draws: 40 prompts, 5 sizes and 20 edits, asked as a user asks, by command.

`python -m tests.golden.make` writes `pixels.json` anew: to be done where another model ships, or
where the drawing itself is meant to change. `python -m tests.golden.make --exact` draws all of it
and names each image with any other value than when it was written on this machine.

Knows the command line alone, so no move inside the package touches it.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import platform
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pydicom
from click.testing import CliRunner
from PIL import Image as Picture
from pydicom.data import get_testdata_file

from radsmith.cli import cli

STORED = Path(__file__).with_name("pixels.json")
SIDE = 16
"""Cells of a thumbnail a side."""
VOLATILE = ("created", "radsmith_version", "pixels_sha256", "untouched_sha256", "parents", "review")
SUFFIXES = (".png", ".npy", ".dcm")

PROMPTS = (  # prompt, and if wanted steps, guidance, sampler; the seed is the place in the list
    ("chest x-ray, PA view, adult, normal",),
    ("chest x-ray, PA view, adult, right pleural effusion",),
    ("chest x-ray, AP view, adult, cardiomegaly",),
    ("cxr, moderate right effusion, no pneumothorax",),
    ("chest x-ray, lateral view",),
    ("chest x-ray, child, pneumonia",),
    ("chest x-ray, elderly, female, consolidation", "2"),
    ("chest x-ray, no cardiomegaly, no effusion", "8", "1"),
    ("chest x-ray, male, pneumothorax", "", "3"),
    ("chest x-ray, severe atelectasis", "1"),
    ("left knee x-ray, AP view",),
    ("left knee x-ray, severe osteoarthritis",),
    ("right knee x-ray, normal", "", "", "euler"),
    ("knee x-ray, lateral view, effusion",),
    ("hand x-ray, child, left",),
    ("hand x-ray, adult",),
    ("wrist x-ray, fracture",),
    ("elbow x-ray, normal",),
    ("shoulder x-ray, right",),
    ("ankle x-ray",),
    ("foot x-ray, fracture",),
    ("pelvis x-ray, adult",),
    ("hip x-ray, left, osteoarthritis",),
    ("spine x-ray, lateral view",),
    ("skull x-ray",),
    ("head CT, brain window, normal",),
    ("head CT, intracranial hemorrhage",),
    ("chest CT, lung window",),
    ("chest CT, lung nodule", "", "2"),
    ("abdomen CT, soft tissue window",),
    ("brain MRI, axial, T1",),
    ("brain MRI, sagittal",),
    ("brain MRI, glioma", "3", "", "euler"),
    ("lumbar spine MRI, sagittal",),
    ("knee MRI",),
    ("breast ultrasound, mass",),
    ("breast ultrasound, no mass",),
    ("fetal head ultrasound",),
    ("mammogram",),
    ("dental x-ray, a word it does not know",),
)
SIZES = (  # name, arguments of generate
    ("small", "chest x-ray", "--size", "64x64", "--format", "npy"),
    ("narrow", "left knee x-ray", "--size", "96x256"),
    ("odd", "head CT", "--size", "301x199", "--format", "png16"),
    ("double", "hand x-ray", "--size", "512x512"),
    ("large", "chest x-ray, PA view", "--size", "1024x768", "--format", "dicom"),
)
SOURCES = (  # file, arguments of generate
    ("chest.png", "chest x-ray, PA view, adult, normal", "--size", "256x240"),
    ("other.png", "chest x-ray, PA view, adult, right pleural effusion", "--size", "256x240"),
    ("deep.png", "left knee x-ray, AP view", "--size", "224x256", "--format", "png16"),
    ("array.npy", "head CT", "--size", "256x256", "--format", "npy"),
    ("knee.dcm", "right knee x-ray, AP view", "--size", "224x256", "--format", "dicom"),
    ("chest.dcm", "chest x-ray, PA view", "--size", "256x240", "--format", "dicom"),
)
EDITS = (  # file, command and arguments; a word that begins with @ is another source, | is a space
    ("chest.png", "inpaint --box 60,80,70,50"),
    ("chest.png", "inpaint --polygon 20,20|120,30|70,140 --prompt chest|x-ray,|pneumonia"),
    ("deep.png", "inpaint --box 40,60,90,90 --steps 2 --guidance 3"),
    ("array.npy", "inpaint --box 90,90,60,60"),
    ("chest.dcm", "inpaint --box 100,100,64,64"),
    ("CT_small.dcm", "inpaint --box 30,40,50,30 --prompt abdomen|CT"),
    ("MR_small.dcm", "inpaint --box 10,10,30,20"),
    ("chest.png", "outpaint --left 60"),
    ("deep.png", "outpaint --canvas 400x500"),
    ("knee.dcm", "outpaint --bottom 30mm --top 10"),
    ("chest.png", "vary"),
    ("chest.png", "vary --strength 0.8 --box 30,30,120,120"),
    ("CT_small.dcm", "vary --strength 0.4"),
    ("chest.png", "change --add pleural|effusion@right"),
    ("other.png", "change --remove pleural|effusion --box 20,120,90,100"),
    ("chest.dcm", "change --add pleural|effusion@left --severity severe --strength 0.7"),
    ("chest.png", "interpolate @other.png -n 2"),
    ("chest.dcm", "interpolate @chest.dcm --strength 0.3"),
    ("deep.png", "extend --to leg"),
    ("knee.dcm", "extend --to leg --strict"),
)


@dataclass(frozen=True)
class Drawn:
    """One image: stored values (height, width), record, and where black and white lie.

    span: None for the whole range of the type (0-1 for floats).
    """

    name: str
    pixels: np.ndarray
    record: dict[str, Any]
    span: tuple[float, float] | None = None

    def thumbnail(self) -> np.ndarray:
        """(SIDE, SIDE) means in levels of 8 bits."""
        kind = self.pixels.dtype
        low, high = self.span or (0.0, 1.0 if kind.kind == "f" else float(np.iinfo(kind).max))
        rows, columns = (np.linspace(0, n, SIDE + 1).astype(int) for n in self.pixels.shape)
        sums = np.add.reduceat(self.pixels.astype(np.float64), rows[:-1], axis=0)
        sums = np.add.reduceat(sums, columns[:-1], axis=1)
        means = sums / np.outer(np.diff(rows), np.diff(columns))
        return np.clip(np.rint((means - low) / (high - low) * 255), 0, 255).astype(np.uint8)

    def said(self) -> str:
        """Digest of what the record says that no last bit of a pixel decides."""
        chosen = () if self.record["canonical_prompt"] else ("concepts",)  # by the pixels
        said = {k: v for k, v in self.record.items() if k not in (*VOLATILE, *chosen)}
        edit = said.get("edit", "").partition("; request ")[0]  # by files with a date
        said["edit"] = re.sub(r"grain of [\d.]+", "grain of", edit)  # measured on pixels
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def kept(self) -> dict[str, str]:
        """What is stored."""
        whole = f"{self.pixels.dtype.str}{self.pixels.shape}".encode() + self.pixels.tobytes()
        return {
            "pixels": hashlib.sha256(whole).hexdigest(),
            "record": self.said(),
            "thumbnail": base64.b64encode(self.thumbnail().tobytes()).decode(),
        }


def digest_of_model() -> str:
    """What the shipped model calls itself."""
    (_, record) = _made("chest x-ray", "--size", "64x64")
    return str(record["model_digest"])


def machine() -> str:
    """Processor and libraries: where they are the same, so is every last bit."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else [platform.processor()]
    said = sorted({line for line in lines if line.startswith(("model name", "flags"))} or lines)
    known = f"{said} numpy {np.__version__} onnxruntime {onnxruntime.__version__}"
    return hashlib.sha256(known.encode()).hexdigest()


def drawn(folder: Path) -> Iterator[Drawn]:
    """Every image, through files in an empty folder."""
    yield from _prompts(folder / "prompts")
    for name, *arguments in SIZES:
        yield Drawn(f"size {name}", *_made(*arguments))
    for name, *arguments in SOURCES:
        path = _generate(folder / "made", *arguments)
        path.rename(folder / name)
        if path.suffix == ".npy":
            path.with_suffix(".json").rename((folder / name).with_suffix(".json"))
    for name, command in EDITS:
        yield from _edits(folder, name, command)


def _prompts(folder: Path) -> Iterator[Drawn]:
    folder.mkdir()
    asked = folder / "list.csv"
    with asked.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("name", "seed", "prompt", "steps", "guidance", "sampler"))
        for seed, words in enumerate(PROMPTS):
            rows.writerow((f"p{seed}", seed, *words, *[""] * (4 - len(words))))
    _run("generate", "--from", asked, "--no-sheet", "-o", folder)
    for seed, (prompt, *_) in enumerate(PROMPTS):
        path = folder / f"p{seed}-{seed}.png"
        yield Drawn(f"{seed} {prompt}", _pixels(path), _record(path))


def _edits(folder: Path, name: str, command: str) -> Iterator[Drawn]:
    known = (folder / name).exists()
    source = folder / name if known else Path(get_testdata_file(name))
    span = None if known else (float(_pixels(source).min()), float(_pixels(source).max()))
    verb, *words = command.split()
    words = [str(folder / w[1:]) if w[0] == "@" else w.replace("|", " ") for w in words]
    with tempfile.TemporaryDirectory() as into:
        paths = _run(verb, source, *words, "-o", into)
        for number, path in enumerate(paths):
            yield Drawn(f"{name} {command} {number}", _pixels(path), _record(path), span)


def _made(*arguments: str) -> tuple[np.ndarray, dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        path = _generate(Path(folder), *arguments)
        return _pixels(path), _record(path)


def _generate(folder: Path, *arguments: str) -> Path:
    (path,) = _run("generate", *arguments, "-o", folder)
    return path


def _run(*arguments: object) -> list[Path]:
    """Run one command; the files whose paths it prints."""
    result = CliRunner().invoke(cli, [str(a) for a in arguments], catch_exceptions=False)
    return [Path(line) for line in result.stdout.splitlines() if Path(line).suffix in SUFFIXES]


def _pixels(path: Path) -> np.ndarray:
    if path.suffix == ".dcm":
        return pydicom.dcmread(path).pixel_array
    return np.load(path) if path.suffix == ".npy" else np.asarray(Picture.open(path))


def _record(path: Path) -> dict[str, Any]:
    result = CliRunner().invoke(cli, ["inspect", str(path)], catch_exceptions=False)
    said = dict(json.loads(result.stdout))
    said.pop("marks")  # what `inspect` looked for, not what the file says
    return said


def write() -> None:
    """Store what is drawn now."""
    with tempfile.TemporaryDirectory() as folder:
        images = {image.name: image.kept() for image in drawn(Path(folder))}
    stored = {"model_digest": digest_of_model(), "machine": machine(), "images": images}
    STORED.write_text(json.dumps(stored, indent=0) + "\n", encoding="utf-8")


def changed() -> list[str]:
    """Names of the images that are not to the last bit what was stored."""
    stored = json.loads(STORED.read_text(encoding="utf-8"))["images"]
    with tempfile.TemporaryDirectory() as folder:
        return [i.name for i in drawn(Path(folder)) if stored.get(i.name) != i.kept()]


if __name__ == "__main__":
    if sys.argv[1:] == ["--exact"]:
        others = changed()
        print("\n".join(others) or "all as stored, to the last bit")
        sys.exit(bool(others))
    write()
