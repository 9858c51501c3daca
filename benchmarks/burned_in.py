"""How much text drawn into pictures is found, and what is taken for text. Run by hand.

python benchmarks/burned_in.py FOLDER [COUNT]

FOLDER holds DICOM images. Into COUNT of their frames (default 60; CT and MR, whose own pixels hold
no text) a line is drawn at a random place in 10 to 24 pixels, white, light gray or black, where it
differs from what is behind it by 70 of 255 at least. A line counts as found if 85 % of its width is
masked.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from radsmith.deidentification.burned_in import text_in_frames
from radsmith.errors import InvalidInput
from radsmith.images.dicom.decoding import decode
from radsmith.images.dicom.opening import open_dicom

LINES = ("LI WU", "DOE JANE", "12-03-1961", "MRN 88123", "QUENTIN FICTIONAL", "Groß, Jörg 1961")


def frames_of(folder: Path) -> list[np.ndarray]:
    """First frames as 8-bit gray."""
    found = []
    for path in sorted(folder.glob("*.dcm")):
        try:
            dataset = open_dicom(path.read_bytes())
            frame = decode(dataset)[0] if dataset.get("Modality") in ("CT", "MR") else None
        except InvalidInput:
            continue
        if frame is None or frame.ndim != 2:
            continue
        low, high = np.percentile(frame, (0.1, 99.9))
        found.append((np.clip((frame - low) / max(high - low, 1), 0, 1) * 255).astype(np.uint8))
    return found


def drawn(frame: np.ndarray, rng: random.Random) -> tuple[np.ndarray, tuple[int, ...]] | None:
    """The frame with a line, and (x, y, width, size); None where it does not fit or stand out."""
    size, ink = rng.choice((10, 12, 14, 18, 24)), rng.choice((255, 255, 200, 0))
    canvas = Image.fromarray(frame.copy())
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=size)
    words = rng.choice(LINES)
    width = int(pen.textlength(words, font=font))
    if width > 0.95 * frame.shape[1] or size + 6 > frame.shape[0]:
        return None
    x, y = rng.randrange(frame.shape[1] - width), rng.randrange(frame.shape[0] - size - 5)
    if abs(ink - frame[y : y + size, x : x + width].mean()) < 70:
        return None
    pen.text((x, y), words, fill=ink, font=font)
    return np.asarray(canvas), (x, y, width, size)


def main() -> None:
    """Print shares."""
    frames = frames_of(Path(sys.argv[1]))
    wanted = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    rng, counts = random.Random(0), Counter()
    false = sum(len(text_in_frames(frame[None])) for frame in frames)
    spent = time.process_time()
    while counts["drawn"] < wanted:
        made = drawn(rng.choice(frames), rng)
        if made is None:
            continue
        picture, (x, y, width, size) = made
        covered = np.zeros(width, bool)
        for x0, y0, x1, y1 in text_in_frames(picture[None]):
            if y0 < y + 0.7 * size and y1 > y + 0.5 * size:
                covered[max(0, x0 - x) : max(0, x1 - x)] = True
        counts["drawn"] += 1
        counts["found"] += covered.mean() > 0.85
    spent = (time.process_time() - spent) / wanted
    print(f"{counts['found']} of {wanted} lines found; {spent:.2f} core-s a frame;")
    print(f"{false} boxes in {len(frames)} frames without text")


if __name__ == "__main__":
    main()
