"""Broken frames: a decoder that breaks down costs one answer and nothing else."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from radsmith.errors import InvalidInput
from radsmith.images.dicom import apart
from radsmith.images.dicom.decoding import decode

FILES = ("SC_rgb_jpeg_gdcm.dcm", "JPEGLSNearLossless_08.dcm", "JPEG2000.dcm")


def opened(name: str) -> pydicom.Dataset:
    path = get_testdata_file(name)
    assert path is not None
    return pydicom.dcmread(Path(str(path)))


def damaged(data: bytes, seed: int) -> bytes:
    rng, changed = np.random.default_rng(seed), bytearray(data)
    for _ in range(rng.integers(1, 8)):
        last = len(changed) if rng.random() < 0.3 else min(700, len(changed))
        at = int(rng.integers(16, last))
        changed[at] = int(rng.integers(256)) if rng.random() < 0.7 else 255
    return bytes(changed)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_damaged_frames_end_in_pixels_or_one_line(name: str) -> None:
    dataset = opened(name)
    whole, shape = bytes(dataset.PixelData), decode(dataset).shape
    refused = 0
    for seed in range(25):
        dataset.PixelData = damaged(whole, seed)
        try:
            assert decode(dataset).shape == shape
        except InvalidInput as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused
    dataset.PixelData = whole
    assert decode(dataset).shape == shape


def test_a_decoder_that_breaks_down_is_named_and_begun_again() -> None:
    dataset = opened("JPEG2000.dcm")
    pixels = decode(dataset)
    process = apart._DECODER.process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert np.array_equal(decode(dataset), pixels)
    assert apart._DECODER.process is not process


def test_a_decoder_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = opened("JPEG2000.dcm")
    decode(dataset)
    process = apart._DECODER.process
    assert process is not None
    monkeypatch.setattr(apart, "LONGEST_S", 0.2)
    os.kill(process.pid, signal.SIGSTOP)
    with pytest.raises(InvalidInput, match=r"took more than 0 s at this frame"):
        decode(dataset)
    monkeypatch.undo()
    assert decode(dataset).shape == (1, 1024, 256)


def test_the_process_ends_when_nobody_asks_any_more() -> None:
    decode(opened("JPEG2000.dcm"))
    process = apart._DECODER.process
    assert process is not None and process.stdin is not None
    process.stdin.close()
    assert process.wait(10) == 0
    apart._DECODER.close()
