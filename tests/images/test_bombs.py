"""Small files that unpack to gigabytes, through every door: one line each, and little memory."""

import io
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image as Pillow
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from radsmith.errors import InvalidInput
from radsmith.images.bombs import LEAST, MOST_TIMES, check_unpacked
from radsmith.images.dicom.codestream import check_codestream
from radsmith.images.dicom.opening import MOST_ELEMENTS, open_dicom, open_head
from radsmith.images.report_files import report_text

SIDE = 30_000
DOORS = """
import resource, sys
from pathlib import Path
from click.testing import CliRunner
from radsmith.cli import cli
from radsmith.editing.files import open_source, read_mask
from radsmith.errors import RadsmithError
from radsmith.server.store.settings import Limits
from radsmith.server.web.problem import Problem
from radsmith.server.web.uploads import Uploads

folder, out = Path(sys.argv[1]), Path(sys.argv[2])
uploads = Uploads(out / "uploads", Limits(upload_pixels=10**12, upload_bytes=10**12))
for path in sorted(folder.iterdir()):
    said = []
    for door in (open_source, lambda p: uploads.picture(p.read_bytes(), "image")):
        try:
            door(path)
            said.append("OPENED")
        except (RadsmithError, Problem) as error:
            said.append(str(error))
    print(path.name, *said, sep="|")
for command in (["import", "--text", "keep", "--modality", "x-ray"], ["deidentify"]):
    done = CliRunner().invoke(cli, [*command, str(folder), "-o", str(out / command[0])])
    assert isinstance(done.exception, (SystemExit, RadsmithError)), done.exc_info
    print(command[0], done.exit_code)
own = next(s for s in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in s)
workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print("peak", int(own.split()[1]) // 1024, workers // 1024)
"""


def dicom(path, syntax, data, side=SIDE, frames=1, bits=8):
    """A DICOM file whose head promises side x side pixels and whose data is `data`."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = syntax, "1.2.840.10008.5.1.4.1.1.1"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.Modality, dataset.PatientID, dataset.PatientName = "CR", "1", "Test"
    dataset.Rows = dataset.Columns = side
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = 0
    if frames > 1:
        dataset.NumberOfFrames = frames
    dataset.add_new("PixelData", "OB", data)
    if syntax.is_encapsulated:
        dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path, enforce_file_format=True)


def j2k(side):
    """A frame of 64x64 whose head says another size."""
    stream = io.BytesIO()
    Pillow.new("L", (64, 64)).save(stream, "JPEG2000", no_jp2=True)
    frame = bytearray(stream.getvalue())
    for at in (8, 12, 24, 28):
        frame[at : at + 4] = side.to_bytes(4, "big")
    return bytes(frame)


def jpeg(side, marker=0xC0, bits=8):
    """A frame whose head says a size, and little else."""
    both = side.to_bytes(2, "big") * 2
    start = bytes((0xFF, 0xD8, 0xFF, marker, 0, 11, bits)) + both + b"\1\1\x11\0"
    return start + b"\xff\xda\0\x08\1\1\0\0\0\0" + b"\0" * 4000 + b"\xff\xd9"


def packed(side, mode="1", **options):
    """A picture of one level, as a file."""
    Pillow.MAX_IMAGE_PIXELS, kept = None, Pillow.MAX_IMAGE_PIXELS
    stream = io.BytesIO()
    Pillow.new(mode, (side, side)).save(stream, **options)
    Pillow.MAX_IMAGE_PIXELS = kept
    return stream.getvalue()


@pytest.fixture(scope="module")
def bombs(tmp_path_factory):
    """A bomb of every compressed transfer syntax, and pictures."""
    folder = tmp_path_factory.mktemp("bombs")
    frames = {
        "baseline": (JPEGBaseline8Bit, jpeg),
        "extended": (JPEGExtended12Bit, lambda s: jpeg(s, 0xC1, 12)),
        "lossless": (JPEGLosslessSV1, lambda s: jpeg(s, 0xC3)),
        "ls": (JPEGLSLossless, lambda s: jpeg(s, 0xF7)),
        "j2k": (JPEG2000, j2k),
        "j2k-lossless": (JPEG2000Lossless, j2k),
        "htj2k": (HTJ2KLossless, j2k),
        "rle": (RLELossless, lambda s: b"\1\0\0\0\x40" + b"\0" * 59 + b"\x81\0" * 250_000),
    }
    for name, (syntax, frame) in frames.items():
        bits = 16 if name == "extended" else 8
        dicom(folder / f"{name}.dcm", syntax, encapsulate([frame(SIDE)]), bits=bits)
        if name != "rle":  # its frames do not say their size
            small = encapsulate([frame(SIDE)])
            dicom(folder / f"{name}-head.dcm", syntax, small, side=64, bits=bits)
        many = encapsulate([frame(1024)[:2000]] * 200)
        dicom(folder / f"{name}-frames.dcm", syntax, many, side=1024, frames=200, bits=bits)
    stream = io.BytesIO()
    dicom(stream, ExplicitVRLittleEndian, b"\0\0", side=8)
    plain = stream.getvalue()
    at = 144 + int.from_bytes(plain[140:144], "little")
    meta = plain[:at].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    meta = meta.replace(b"\x10\0UI\x14\0", b"\x10\0UI\x16\0", 1)
    meta = (
        meta[:140]
        + (int.from_bytes(meta[140:144], "little") + 2).to_bytes(4, "little")
        + meta[144:]
    )
    head = plain[at : plain.index(b"\xe0\x7f\x10\0")]
    for name, rest in (
        ("deflated", b"\xe0\x7f\x10\0OW\0\0" + (1 << 27).to_bytes(4, "little") + bytes(1 << 27)),
        (
            "deflated-items",
            b"\x51\0\x10\0SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\0\xe0\0\0\0\0" * (1 << 20),
        ),
    ):
        packer = zlib.compressobj(3, zlib.DEFLATED, -zlib.MAX_WBITS)
        data = meta + packer.compress(head + rest) + packer.flush()
        (folder / f"{name}.dcm").write_bytes(data)
        assert len(data) < 600 * 1024
    (folder / "a.png").write_bytes(packed(14_000, format="PNG"))
    (folder / "b.png").write_bytes(packed(8500, mode="L", format="PNG"))
    (folder / "a.tif").write_bytes(
        packed(8500, mode="L", format="TIFF", compression="tiff_adobe_deflate")
    )
    return folder


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured as Linux tells it")
def test_bombs_are_refused_in_one_line_at_every_door(bombs, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", DOORS, str(bombs), str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    lines = done.stdout.splitlines()
    told = [line.split("|") for line in lines if "|" in line]
    assert len(told) == len(list(bombs.iterdir()))
    for name, *said in told:
        assert len(said) == 2 and "OPENED" not in said, name
        assert all(" 0x" not in text and len(text) < 600 for text in said), said
    peaks = [int(n) for n in next(s for s in lines if s.startswith("peak")).split()[1:]]
    assert max(peaks) < 300, peaks


@pytest.mark.parametrize("name", ["deflated.dcm", "deflated-items.dcm"])
def test_bombs_are_no_reports(bombs, name):
    with pytest.raises(InvalidInput, match=name) as refused:
        report_text(bombs / name)
    assert "\n" not in str(refused.value)


def test_what_fits_is_no_bomb():
    check_unpacked(LEAST, 10, "a picture")
    check_unpacked(LEAST * 10, LEAST * 10 // MOST_TIMES + 1, "a picture")
    with pytest.raises(InvalidInput, match="a decompression bomb"):
        check_unpacked(LEAST + 1, 10, "a picture")


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("tiles", {24: 1, 28: 1}, None),
        ("many tiles", {8: 4096, 12: 4096, 24: 8, 28: 8}, "more than 10,000 tiles"),
        ("no tiles", {24: 0}, "no size"),
        ("channels", {38: 16384}, "64x64x16384"),
    ],
)
def test_codestreams_are_believed_only_as_far_as_the_head(name, change, told):
    frame = bytearray(j2k(64))
    for at, value in change.items():
        frame[at : at + 4] = value.to_bytes(4, "big")
    side = int.from_bytes(frame[8:12], "big")
    if told is None:
        check_codestream(bytes(frame), side, side, 1)
        return
    with pytest.raises(ValueError, match=told):
        check_codestream(bytes(frame), side, side, 1)


def test_tiny_precincts_and_endless_scans_are_refused():
    frame = j2k(64)
    at = frame.index(b"\xff\x52")
    levels = frame[at + 9]
    precincts = bytes(levels + 1)
    coding = bytearray(frame[at : at + 14] + precincts)
    coding[4] |= 1
    coding[3] = len(coding) - 2
    wide = bytearray(frame[:at])
    for place in (8, 12, 24, 28):
        wide[place : place + 4] = (4096).to_bytes(4, "big")
    with pytest.raises(ValueError, match="precincts"):
        check_codestream(bytes(wide + coding) + frame[at + 14 :], 4096, 4096, 1)
    scans = jpeg(64) + b"\xff\xda\0\x08\1\1\0\0\0\0" * 200
    with pytest.raises(ValueError, match="scans"):
        check_codestream(scans, 64, 64, 1)


def test_honest_frames_are_not_refused():
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (300, 200), np.uint8)
    for options in ({"format": "JPEG"}, {"format": "JPEG", "progressive": True},
                    {"format": "JPEG2000", "no_jp2": True, "tile_size": (64, 64)},
                    {"format": "JPEG2000"}):  # fmt: skip
        stream = io.BytesIO()
        Pillow.fromarray(noise).save(stream, **options)
        check_codestream(stream.getvalue(), 300, 200, 1)


def test_items_and_attributes_are_counted_however_they_are_nested(tmp_path):
    item = b"\xfe\xff\0\xe0\0\0\0\0"
    head = b"\x08\0\x16\0UI\2\x001\0"
    defined = b"\x09\0\x10\x10UN\0\0" + (8 * (MOST_ELEMENTS + 9)).to_bytes(4, "little")
    for nest in (b"\x09\0\x10\x10SQ\0\0\xff\xff\xff\xff", defined):
        data = head + nest + item * (MOST_ELEMENTS + 9)
        (tmp_path / "a.dcm").write_bytes(data)
        with pytest.raises(InvalidInput, match="attributes"):
            open_dicom(data)
        with pytest.raises(InvalidInput, match="attributes"), (tmp_path / "a.dcm").open("rb") as f:
            open_head(f)
