"""Laws: written pictures read back equal, provenance survives, other pictures say the mend."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from radsmith.errors import InvalidInput, NotFound
from radsmith.images.colour import NEARLY_GRAY
from radsmith.images.image import Image, quantize
from radsmith.images.marks import xmp_packet
from radsmith.images.picture_reading import gray_levels, picture_in
from radsmith.images.pictures import npy_bytes, png_bytes, read_image, read_picture, read_record
from radsmith.images.provenance import NOTICE, Generation
from tests.common import record

IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
NEWSCODES = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def made(**changes: object) -> Generation:
    return record(**{"prompt": "chest x-ray <PA> & Übersicht"} | changes)


def noise(height: int = 3, width: int = 5) -> np.ndarray:
    return np.random.default_rng(0).random((height, width))


def saved(folder: Path, picture: Pillow.Image, name: str = "in.png", **options: Any) -> Path:
    path = folder / name
    picture.save(path, **options)
    return path


def chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize("bits", [8, 16])
def test_png_pixels_and_record_survive(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_bytes(Image(pixels=noise()), made(), bits))
    assert path.read_bytes()[24:26] == bytes([bits, 0])
    np.testing.assert_array_equal(read_picture(path).pixels, quantize(noise(), bits))
    assert read_picture(path).unit == "stored value"
    assert read_record(path) == made()


def test_stored_values_are_written_unchanged_in_their_own_depth(tmp_path: Path) -> None:
    stored = np.array([[0, 257], [65535, 1]], np.uint16)
    path = tmp_path / "a.png"
    path.write_bytes(png_bytes(Image(pixels=stored, unit="stored value"), made(), 16))
    back = read_image(path).pixels
    assert back.dtype == np.uint16
    np.testing.assert_array_equal(back, stored)
    with pytest.raises(InvalidInput, match="do not fit"):
        png_bytes(Image(pixels=stored, unit="stored value"), made(), 8)


def test_units_a_png_cannot_hold_are_refused() -> None:
    with pytest.raises(InvalidInput, match="window"):
        png_bytes(Image(pixels=noise() * 100, unit="HU"), made())
    for unit in ("intensity", "stored value"):
        with pytest.raises(InvalidInput, match="8 or 16"):
            png_bytes(Image(pixels=np.zeros((2, 2), np.uint8), unit=unit), made(), 12)


@given(st.text(max_size=60))
def test_any_prompt_survives_in_a_png_and_leaves_the_xmp_well_formed(prompt: str) -> None:
    if any("\ud800" <= c <= "\udfff" for c in prompt):
        return
    data = png_bytes(Image(pixels=np.zeros((1, 1))), made(prompt=prompt))
    with Pillow.open(io.BytesIO(data)) as picture:
        assert Generation.from_json(picture.info["radsmith"]).prompt == prompt
        ElementTree.fromstring(picture.info["XML:com.adobe.xmp"])


@pytest.mark.parametrize(
    ("parents", "kind"),
    [((), "trainedAlgorithmicMedia"), (("ef" * 32,), "compositeWithTrainedAlgorithmicMedia")],
)
def test_a_png_says_it_is_synthetic_to_machines_and_people(
    parents: tuple[str, ...], kind: str
) -> None:
    data = png_bytes(Image(pixels=noise()), made(parents=parents))
    with Pillow.open(io.BytesIO(data)) as picture:
        root = ElementTree.fromstring(picture.info["XML:com.adobe.xmp"])
        marks = [e.attrib[IPTC] for e in root.iter() if IPTC in e.attrib]
        assert marks == [NEWSCODES + kind]
        assert NOTICE in picture.info["Description"]
        assert picture.info["Software"].startswith("radsmith")
    assert kind in xmp_packet("", edited=bool(parents))


def test_spacing_survives_to_the_precision_of_phys(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_bytes(Image(pixels=noise(), spacing=(0.143, 0.5)), made()))
    assert read_picture(path).spacing == pytest.approx((0.143, 0.5), rel=1e-3)
    position = path.read_bytes().index(b"pHYs") + 4
    assert struct.unpack(">IIB", path.read_bytes()[position : position + 9]) == (2000, 6993, 1)


def test_paper_resolution_is_not_taken_for_anatomy(tmp_path: Path) -> None:
    path = saved(tmp_path, Pillow.new("L", (4, 4)), dpi=(300, 300))
    assert read_picture(path).spacing is None


def test_npy_holds_float32_pixels_with_the_record_beside(tmp_path: Path) -> None:
    image = Image(pixels=noise() * 1000, unit="HU", spacing=(1.0, 2.0))
    array, beside = npy_bytes(image, made())
    (tmp_path / "a.npy").write_bytes(array)
    with pytest.raises(NotFound, match=r"a\.json beside it"):
        read_record(tmp_path / "a.npy")
    (tmp_path / "a.json").write_bytes(beside)
    back = np.load(tmp_path / "a.npy", allow_pickle=False)
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, image.pixels.astype(np.float32))
    assert read_record(tmp_path / "a.npy") == made()
    (tmp_path / "a.json").write_bytes(b"\xff")
    with pytest.raises(InvalidInput, match="not a radsmith provenance record"):
        read_record(tmp_path / "a.npy")


def test_a_picture_without_a_record_says_so(tmp_path: Path) -> None:
    path = saved(tmp_path, Pillow.new("L", (2, 2)))
    with pytest.raises(InvalidInput, match="has no radsmith provenance record"):
        read_record(path)
    with pytest.raises(NotFound):
        read_record(tmp_path / "absent.png")


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    data = png_bytes(Image(pixels=noise()), made())
    (tmp_path / "cut.png").write_bytes(data[:30])
    with pytest.raises(InvalidInput, match="not a readable picture"):
        read_record(tmp_path / "cut.png")


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp", "pgm", "jp2", "webp"])
def test_gray_pictures_of_every_format_are_read_upright(tmp_path: Path, suffix: str) -> None:
    ramp = np.tile(np.linspace(0, 255, 32).astype(np.uint8)[:, None], (1, 16))
    lossless = {"lossless": True} if suffix == "webp" else {}
    pixels = read_picture(saved(tmp_path, Pillow.fromarray(ramp), f"a.{suffix}", **lossless)).pixels
    assert pixels.dtype == np.uint8
    np.testing.assert_allclose(pixels.astype(int), ramp, atol=3)


@pytest.mark.parametrize("suffix", ["tif", "pgm", "jp2"])
def test_16_bits_are_read_exactly(tmp_path: Path, suffix: str) -> None:
    stored = np.arange(0, 65536, 256).astype(np.uint16).reshape(16, 16)
    path = saved(tmp_path, Pillow.fromarray(stored), f"a.{suffix}")
    pixels = read_picture(path).pixels
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels, stored)


def test_gray_in_colour_clothes_is_gray(tmp_path: Path) -> None:
    gray = Pillow.fromarray(quantize(noise(), 8))
    for mode in ("RGB", "RGBA", "LA", "P"):
        path = saved(tmp_path, gray.convert(mode), f"{mode}.png")
        np.testing.assert_array_equal(read_picture(path).pixels, np.asarray(gray))


def test_exif_orientation_is_obeyed(tmp_path: Path) -> None:
    picture = Pillow.new("L", (16, 8))
    exif = picture.getexif()
    exif[0x0112] = 6
    assert read_picture(saved(tmp_path, picture, "a.jpg", exif=exif)).size == (8, 16)


@pytest.mark.parametrize(
    ("picture", "name", "match"),
    [
        (Pillow.new("RGB", (2, 2), (10, 20, 30)), "a.png", "holds colour"),
        (Pillow.new("LA", (2, 2), (9, 0)), "a.png", "transparent"),
        (Pillow.new("RGBA", (2, 2), (9, 9, 9, 254)), "a.png", "transparent"),
        (Pillow.new("CMYK", (2, 2)), "a.jpg", "CMYK"),
        (Pillow.new("1", (2, 2)), "a.png", "1 bit"),
        (Pillow.new("F", (2, 2), 0.5), "a.tif", "float32"),
        (Pillow.new("F", (2, 2), float("nan")), "a.tif", "no numbers"),
        (Pillow.new("I", (2, 2), 70000), "a.tif", "int32"),
        (Pillow.new("L", (2, 2)), "a.gif", "not a readable picture"),
    ],
)
def test_what_is_not_gray_is_refused(
    tmp_path: Path, picture: Pillow.Image, name: str, match: str
) -> None:
    with pytest.raises(InvalidInput, match=match):
        read_picture(saved(tmp_path, picture, name))


def test_a_transparent_gray_level_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="transparent"):
        read_picture(saved(tmp_path, Pillow.new("L", (2, 2), 9), transparency=9))


def test_several_pages_are_refused(tmp_path: Path) -> None:
    page = Pillow.new("L", (2, 2))
    path = saved(tmp_path, page, "a.tif", save_all=True, append_images=[page])
    with pytest.raises(InvalidInput, match="several"):
        read_picture(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_as_zero_is_turned_in_any_depth(tmp_path: Path, dtype: type) -> None:
    shown = (np.arange(12) * (np.iinfo(dtype).max // 11)).astype(dtype).reshape(3, 4)
    stored = np.asarray(np.iinfo(dtype).max - shown, dtype)
    if dtype == np.uint8:  # Pillow turns these itself, on writing and on reading
        stored = shown
    path = saved(tmp_path, Pillow.fromarray(stored), "a.tif", tiffinfo={262: 0})
    np.testing.assert_array_equal(read_picture(path).pixels, shown)
    np.testing.assert_array_equal(gray_levels(path.read_bytes()), shown)


@pytest.mark.parametrize("apart", [1, 4, 5])
def test_nearly_gray_is_gray_and_said(tmp_path: Path, apart: int) -> None:
    channels = np.full((4, 5, 3), 90, np.uint8)
    channels[1, 2, 2] += apart
    data = saved(tmp_path, Pillow.fromarray(channels), "a.png").read_bytes()
    if apart > NEARLY_GRAY:
        with pytest.raises(InvalidInput, match="holds colour"):
            picture_in(data, "a.png")
        return
    picture = picture_in(data, "a.png")
    assert abs(int(picture.image.pixels[1, 2]) - 90) <= 1 and picture.image.pixels[0, 0] == 90
    assert f"differ by {apart} of 255" in picture.notes[0] and len(picture.notes) == 1


def test_16_bit_colour_is_refused_not_cut_to_8_bits(tmp_path: Path) -> None:
    head = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(7))) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    with pytest.raises(InvalidInput, match="16-bit grayscale"):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize("side", [10_000, 20_000])
def test_a_decompression_bomb_is_refused_unopened(tmp_path: Path, side: int) -> None:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b""))
    with pytest.raises(InvalidInput, match="too large"):
        read_picture(tmp_path / "a.png")
    with pytest.raises(InvalidInput, match="too large"):
        read_record(tmp_path / "a.png")


@pytest.mark.parametrize("keep", [0, 4, 40, -30])
def test_a_corrupt_file_is_refused(tmp_path: Path, keep: int) -> None:
    data = png_bytes(Image(pixels=noise(64, 64)), made())
    (tmp_path / "a.png").write_bytes(data[:keep])
    with pytest.raises(InvalidInput, match="not a readable picture"):
        read_image(tmp_path / "a.png")


def test_noise_is_not_a_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"hello" * 100)
    with pytest.raises(InvalidInput, match="expected PNG"):
        read_image(tmp_path / "a.png")
