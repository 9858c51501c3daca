"""Detection and false alarms of the watermark: python benchmarks/watermark.py SHARDS… [-n IMAGES].

SHARDS: tar files of gray pictures. Each picture is marked and put through losses; false alarms are
counted on the same pictures unmarked, as they are and after JPEG.
"""

import argparse
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image as Picture

from radsmith.images.image import quantize
from radsmith.marks.watermark import THRESHOLD, detect, marked

LEAST = 128
"""Pixels a side; smaller pictures hold too few tiles."""


def pictures(shards: list[Path]) -> Iterator[np.ndarray]:
    """Gray levels of every picture that is large enough."""
    for path in shards:
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith((".png", ".webp", ".jpg")):
                    data = tar.extractfile(member).read()
                    levels = np.asarray(Picture.open(io.BytesIO(data)).convert("L"))
                    if min(levels.shape) >= LEAST:
                        yield levels


def encoded(levels: np.ndarray, kind: str, quality: int) -> np.ndarray:
    """Through a lossy file and back."""
    stream = io.BytesIO()
    Picture.fromarray(levels).save(stream, kind, quality=quality)
    return np.asarray(Picture.open(stream).convert("L"))


def resized(levels: np.ndarray, scale: float) -> np.ndarray:
    """Bicubic, as viewers do it."""
    size = round(levels.shape[1] * scale), round(levels.shape[0] * scale)
    return np.asarray(Picture.fromarray(levels).resize(size, Picture.Resampling.BICUBIC))


def cropped(levels: np.ndarray, share: float) -> np.ndarray:
    """This share of each side, off the middle and off the pattern's grid."""
    height, width = levels.shape
    top, left = int(0.13 * height), int(0.21 * width)
    return levels[top : top + int(share * height), left : left + int(share * width)]


LOSSES = {
    "none": lambda x: x,
    "JPEG 75": lambda x: encoded(x, "JPEG", 75),
    "JPEG 50": lambda x: encoded(x, "JPEG", 50),
    "WebP 75": lambda x: encoded(x, "WEBP", 75),
    "WebP 50": lambda x: encoded(x, "WEBP", 50),
    "to 50 %": lambda x: resized(x, 0.5),
    "to 77 %": lambda x: resized(x, 0.77),
    "to 160 %": lambda x: resized(x, 1.6),
    "cropped to 70 % a side": lambda x: cropped(x, 0.7),
    "cropped to 50 % a side": lambda x: cropped(x, 0.5),
    "to 70 %, then JPEG 60": lambda x: encoded(resized(x, 0.7), "JPEG", 60),
    "cropped to 70 %, then JPEG 75": lambda x: encoded(cropped(x, 0.7), "JPEG", 75),
}


def main() -> None:
    """Print one line a loss, then the false alarms."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shards", nargs="+", type=Path)
    parser.add_argument("-n", type=int, default=100)
    parser.add_argument("--null", type=int, default=1000)
    asked = parser.parse_args()
    every = list(pictures(asked.shards))
    order = np.random.default_rng(0).permutation(len(every))
    chosen = [every[i] for i in order[: asked.n]]
    after = [quantize(marked(levels / 255), 8) for levels in chosen]
    change = [np.mean((a.astype(float) - b) ** 2) for a, b in zip(after, chosen, strict=True)]
    print(f"{len(chosen)} pictures, PSNR {10 * np.log10(255**2 / np.mean(change)):.1f} dB")
    for name, loss in LOSSES.items():
        scores = np.array([detect(loss(levels) / 255).score for levels in after])
        found = int((scores >= THRESHOLD).sum())
        middle = np.median(scores)
        print(f"{name:32} {found} of {len(scores)}, median score {middle:.1f}", flush=True)
    scores = []
    for number, i in enumerate(order[: asked.null]):
        levels = every[i] if number % 2 else encoded(every[i], "JPEG", 75)
        scores.append(detect(levels / 255).score)
    alarms = int((np.array(scores) >= THRESHOLD).sum())
    print(f"false alarms: {alarms} of {len(scores)}, highest score {max(scores):.2f}")


if __name__ == "__main__":
    main()
