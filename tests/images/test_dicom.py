"""Laws: write → read is identity, every object names itself synthetic, readers refuse clearly."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydicom import uid
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames

from radsmith.errors import InvalidInput, NotFound
from radsmith.images.dicom import reading as dicom_reading
from radsmith.images.dicom.codes import DicomCodes
from radsmith.images.dicom.reading import read_dicom, read_dicom_image, read_dicom_record
from radsmith.images.dicom.writing import dicom_bytes, new_uid, storage_class
from radsmith.images.image import Image, Window, quantize
from radsmith.images.pictures import png_bytes, read_image, read_record
from radsmith.images.provenance import NOTICE, Generation
from tests.common import record

pytestmark = pytest.mark.slow


NOISE = np.random.default_rng(0).random((7, 9))
CHEST = ("51185008", "SCT", "Chest")
BREAST = ("76752008", "SCT", "Breast")
PA = ("399348003", "SCT", "postero-anterior")
MLO = ("399368009", "SCT", "medio-lateral oblique")
KINDS = {
    "dx": DicomCodes(
        modality="x-ray",
        body_part="chest",
        anatomic_region=CHEST,
        view="PA",
        view_code=PA,
        sex="F",
        age_group="adult",
    ),
    "dx without codes": DicomCodes(modality="x-ray"),
    "dx of a knee": DicomCodes(
        modality="x-ray", body_part="knee", view="lateral", laterality="L", contrast=True
    ),
    "mammogram": DicomCodes(
        modality="x-ray",
        body_part="breast",
        anatomic_region=BREAST,
        view="MLO",
        view_code=MLO,
        laterality="R",
    ),
    "ct": DicomCodes(modality="ct", body_part="chest", anatomic_region=CHEST, contrast=True),
    "ct without codes": DicomCodes(modality="ct", view="coronal"),
    "mri": DicomCodes(modality="mri", body_part="knee", laterality="R", view="sagittal"),
    "mri of an unknown side": DicomCodes(modality="mri", body_part="hip"),
    "ultrasound": DicomCodes(modality="ultrasound", body_part="liver"),
    "nothing known": DicomCodes(),
}
STORAGE = {
    "dx": uid.DigitalXRayImageStorageForPresentation,
    "dx without codes": uid.DigitalXRayImageStorageForPresentation,
    "dx of a knee": uid.DigitalXRayImageStorageForPresentation,
    "mammogram": uid.DigitalMammographyXRayImageStorageForPresentation,
    "ct": uid.CTImageStorage,
    "ct without codes": uid.CTImageStorage,
    "mri": uid.MRImageStorage,
    "mri of an unknown side": uid.MRImageStorage,
    "ultrasound": uid.UltrasoundImageStorage,
    "nothing known": uid.SecondaryCaptureImageStorage,
}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


def made(**changes: object) -> Generation:
    said = {"model": "tiny\\é", "prompt": "chest x-ray \\ Übersicht\n胸部"}
    return record(**said | changes)


def noise(**changes: Any) -> Image:
    values: dict[str, Any] = {"pixels": NOISE, "spacing": (0.5, 0.25)}
    return Image(**(values | changes))


def parsed(data: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(data))


def saved(folder: Path, data: bytes) -> Path:
    path = folder / "a.dcm"
    path.write_bytes(data)
    return path


def bundled(name: str) -> Path:
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str)
    return Path(path)


def changed(folder: Path, change: Callable[[Dataset], object], name: str = "CT_small.dcm") -> Path:
    dataset = pydicom.dcmread(bundled(name))
    change(dataset)
    dataset.save_as(folder / "changed.dcm")
    return folder / "changed.dcm"


@EVERY_KIND
def test_write_then_read_is_identity(tmp_path: Path, kind: str) -> None:
    path = saved(tmp_path, dicom_bytes(noise(), made(), KINDS[kind]))
    image = read_dicom(path)
    bits = 8 if kind == "ultrasound" else 16
    np.testing.assert_array_equal(image.pixels, quantize(NOISE, bits))
    assert image.pixels.dtype == (np.uint8 if bits == 8 else np.uint16)
    assert image.spacing == (0.5, 0.25)
    assert image.window == Window(center=1 << (bits - 1), width=1 << bits, step=1)
    assert image.digest() == read_image(path).digest()
    assert read_record(path) == read_dicom_record(path) == made()


@EVERY_KIND
def test_the_modality_decides_the_object(kind: str) -> None:
    data = parsed(dicom_bytes(noise(), made(), KINDS[kind]))
    assert data.SOPClassUID == data.file_meta.MediaStorageSOPClassUID == STORAGE[kind]
    assert storage_class(noise(), KINDS[kind]) == STORAGE[kind]


@pytest.mark.parametrize("modality", ["x-ray", "ct", "mri"])
def test_no_spacing_is_invented(modality: Any) -> None:
    data = parsed(dicom_bytes(noise(spacing=None), made(), DicomCodes(modality=modality)))
    assert data.SOPClassUID == uid.SecondaryCaptureImageStorage
    assert data.Modality == {"x-ray": "DX", "ct": "CT", "mri": "MR"}[modality]
    assert "PixelSpacing" not in data


@EVERY_KIND
@pytest.mark.parametrize("parents", [(), ("ef" * 32,)])
@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
@pytest.mark.parametrize("spacing", [(0.5, 0.25), None])
def test_dciodvfy_finds_no_error(
    tmp_path: Path, kind: str, parents: tuple[str, ...], spacing: tuple[float, float] | None
) -> None:
    record = made(parents=parents)
    path = saved(tmp_path, dicom_bytes(noise(spacing=spacing), record, KINDS[kind]))
    run = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
    lines = (run.stdout + run.stderr).splitlines()
    # dicom3tools of 2022 does not know Synthetic Data yet; PS3.3 C.12.1 has it since.
    errors = [text for text in lines if text.startswith("Error") and "(0008,001c)" not in text]
    assert errors == []
    assert lines, "dciodvfy names the object it checked"


@EVERY_KIND
def test_every_object_says_that_it_is_synthetic(kind: str) -> None:
    data = parsed(dicom_bytes(noise(), made(), KINDS[kind]))
    assert data.SyntheticData == "YES"
    assert list(data.ImageType)[:2] == ["DERIVED", "SECONDARY"]
    for words in (data.DerivationDescription, data.ImageComments, data.SeriesDescription):
        assert words.startswith(NOTICE)
    assert data.ContentQualification == "RESEARCH"
    assert data.QualityControlImage == "NO"
    assert data.Manufacturer == "radsmith"
    purpose = data.ContributingEquipmentSequence[0].PurposeOfReferenceCodeSequence[0]
    assert (purpose.CodeValue, purpose.CodingSchemeDesignator) == ("109100", "DCM")


@EVERY_KIND
def test_the_patient_is_invented(kind: str) -> None:
    data = parsed(dicom_bytes(noise(), made(), KINDS[kind]))
    assert data.PatientName == "SYNTHETIC^RADSMITH"
    assert data.PatientID.startswith("SYNTHETIC-")
    assert data.PatientSex == (KINDS[kind].sex or "")
    assert not data.PatientBirthDate and "PatientAge" not in data
    assert data.StudyDate == "20260102"
    assert data.PatientIdentityRemoved == "YES" and data.BurnedInAnnotation == "NO"
    other = parsed(dicom_bytes(noise(), made(seed=8), KINDS[kind]))
    assert other.PatientID != data.PatientID


@EVERY_KIND
def test_nothing_is_claimed_of_pixels_kept_from_a_parent(kind: str) -> None:
    data = parsed(dicom_bytes(noise(), made(parents=("ef" * 32,)), KINDS[kind]))
    assert "PatientIdentityRemoved" not in data
    assert data.get("BurnedInAnnotation", "YES") == "YES"
    assert data.SyntheticData == "YES"


@EVERY_KIND
def test_uids_are_new_each_time_and_pixels_are_not(kind: str) -> None:
    first, second = (parsed(dicom_bytes(noise(), made(), KINDS[kind])) for _ in range(2))
    keywords = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
    if "FrameOfReferenceUID" in first:
        keywords.append("FrameOfReferenceUID")
    uids = [data[keyword].value for data in (first, second) for keyword in keywords]
    assert len(set(uids)) == len(uids)
    assert all(value.startswith("2.25.") and uid.UID(value).is_valid for value in uids)
    assert first.PixelData == second.PixelData


def test_with_the_same_uids_the_file_is_the_same() -> None:
    files = []
    for _ in range(2):
        numbers = count(1)
        files.append(
            dicom_bytes(noise(), made(), KINDS["ct"], lambda n=numbers: f"2.25.{next(n)}")  # type: ignore[misc]
        )
    assert files[0] == files[1]
    assert new_uid() != new_uid()


def test_intensity_spans_the_window_in_hu(tmp_path: Path) -> None:
    image = Image(
        pixels=np.array([[0.0, 0.5, 1.0]]), spacing=(1, 1), window=Window(center=40, width=400)
    )
    path = saved(tmp_path, dicom_bytes(image, made(), DicomCodes(modality="ct")))
    found = read_dicom_image(path)
    slope, intercept = found.rescale
    assert found.rescale_type == "HU" and found.modality == "CT"
    units = found.image.pixels.astype(float) * slope + intercept
    np.testing.assert_allclose(units, [[-160, 40, 240]], atol=0.01)
    assert parsed(path.read_bytes()).WindowWidth == 400


def test_ct_without_a_window_claims_no_hu() -> None:
    data = parsed(dicom_bytes(noise(), made(), KINDS["ct"]))
    assert (data.RescaleType, data.RescaleSlope, data.RescaleIntercept) == ("US", 1, 0)


def test_hu_survive_as_whole_units(tmp_path: Path) -> None:
    units = np.array([[-1024.4, 0.0, 3071.0]])
    image = Image(pixels=units, unit="HU", spacing=(1, 1), window=Window(center=40, width=80))
    found = read_dicom_image(saved(tmp_path, dicom_bytes(image, made(), KINDS["ct"])))
    assert found.image.pixels.tolist() == [[-1024, 0, 3071]]
    assert found.rescale == (1, 0) and found.rescale_type == "HU"
    assert found.image.window == replace(image.window, step=1)


@pytest.mark.parametrize("kind", ["dx", "ct", "mri", "nothing known"])
@given(values=st.lists(st.integers(0, 65535), min_size=1, max_size=9))
def test_stored_values_survive(kind: str, values: list[int]) -> None:
    image = Image(pixels=np.array([values], np.uint16), unit="stored value", spacing=(1, 1))
    data = parsed(dicom_bytes(image, made(), KINDS[kind]))
    np.testing.assert_array_equal(data.pixel_array, image.pixels)


def test_signed_stored_values_survive(tmp_path: Path) -> None:
    image = Image(pixels=np.array([[-32768, 32767]]), unit="stored value", spacing=(1, 1))
    back = read_dicom(saved(tmp_path, dicom_bytes(image, made(), KINDS["mri"])))
    assert back.pixels.tolist() == [[-32768, 32767]] and back.pixels.dtype == np.int16


@pytest.mark.parametrize(
    ("kind", "unit", "values"),
    [
        ("dx", "stored value", [-1]),
        ("dx", "stored value", [65536]),
        ("ultrasound", "stored value", [256]),
        ("mri", "stored value", [-1, 40000]),
        ("mri", "stored value", [0.5]),
        ("mri", "HU", [0]),
        ("ct", "HU", [40000]),
    ],
)
def test_pixels_an_object_cannot_hold_are_refused(kind: str, unit: Any, values: list[Any]) -> None:
    image = Image(pixels=np.array([values]), unit=unit, spacing=(1, 1))
    with pytest.raises(InvalidInput):
        dicom_bytes(image, made(), KINDS[kind])


@EVERY_KIND
@given(prompt=st.text(st.characters(exclude_categories=["Cs"]), max_size=2000))
def test_any_prompt_is_written_and_read_back(kind: str, prompt: str) -> None:
    record = made(prompt=prompt, model=prompt)
    image = Image(pixels=np.zeros((1, 1)), spacing=(1, 1))
    data = parsed(dicom_bytes(image, record, KINDS[kind]))
    assert Generation.from_json(data.private_block(0x71, "RADSMITH")[1].value) == record


def test_codes_and_sides_are_written() -> None:
    data = parsed(dicom_bytes(noise(), made(), KINDS["mammogram"]))
    assert (data.Modality, data.ImageLaterality, data.ViewPosition) == ("MG", "R", "MLO")
    assert data.AnatomicRegionSequence[0].CodeValue == BREAST[0]
    assert data.ViewCodeSequence[0].CodeValue == MLO[0]
    assert list(data.PatientOrientation) == ["P", "FL"]
    data = parsed(dicom_bytes(noise(), made(), KINDS["dx"]))
    assert data.BodyPartExamined == "CHEST" and data.PatientComments.endswith("adult")
    long_code = DicomCodes(modality="x-ray", anatomic_region=("1" * 18, "SCT", "m" * 70))
    item = parsed(dicom_bytes(noise(), made(), long_code)).AnatomicRegionSequence[0]
    assert item.LongCodeValue == "1" * 18 and len(item.CodeMeaning) == 64


@given(words=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
@example(words="a very long name of a body part")
def test_free_words_become_legal_code_strings(words: str) -> None:
    codes = DicomCodes(modality="x-ray", body_part=words, view=words)
    data = parsed(dicom_bytes(noise(), made(), codes))
    for keyword in ("BodyPartExamined", "ViewPosition"):
        assert re.fullmatch("[A-Z0-9 ]{0,16}", data.get(keyword) or "")
    for item in data.AnatomicRegionSequence:
        assert item.CodeValue == item.CodeMeaning == data.BodyPartExamined


def test_slices_lie_in_their_plane_around_the_origin() -> None:
    for view, normal in {"axial": (0, 0, 1), "coronal": (0, 1, 0), "sagittal": (-1, 0, 0)}.items():
        data = parsed(dicom_bytes(noise(), made(), DicomCodes(modality="mri", view=view)))
        rows, columns = np.array(data.ImageOrientationPatient, float).reshape(2, 3)
        np.testing.assert_array_equal(np.cross(rows, columns), normal)
        far = rows * 0.25 * (9 - 1) + columns * 0.5 * (7 - 1)
        np.testing.assert_allclose(np.array(data.ImagePositionPatient, float), -far / 2)


@pytest.mark.parametrize(
    "codes",
    [
        {"modality": "pet"},
        {"laterality": "left"},
        {"sex": "f"},
        {"view_code": ("1", "SCT")},
        {"anatomic_region": ("", "SCT", "x")},
    ],
)
def test_codes_are_checked_when_made(codes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        DicomCodes(**codes)


def test_a_record_without_a_time_is_refused() -> None:
    with pytest.raises(InvalidInput, match="ISO 8601"):
        dicom_bytes(noise(), made(created="yesterday"), DicomCodes())


@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm",
        "MR_small.dcm",
        "MR_small_RLE.dcm",
        "MR_small_expb.dcm",
        "MR_small_implicit.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_padded.dcm",
        "JPEG2000.dcm",
        "693_J2KI.dcm",
        "examples_overlay.dcm",
        "image_dfl.dcm",
    ],
)
def test_grayscale_files_are_read_whatever_their_encoding(name: str) -> None:
    found = read_dicom_image(bundled(name))
    pixels = found.image.pixels
    header = pydicom.dcmread(bundled(name))
    assert pixels.shape == (header.Rows, header.Columns)
    assert pixels.dtype.isnative and pixels.dtype.kind == "ui"[header.PixelRepresentation]
    assert found.bits_stored == header.BitsStored
    assert found.modality == header.Modality


def test_the_same_image_in_every_encoding_has_the_same_pixels() -> None:
    names = ("", "_RLE", "_expb", "_bigendian", "_implicit", "_jp2klossless", "_padded")
    digests = {read_dicom(bundled(f"MR_small{name}.dcm")).digest() for name in names}
    assert len(digests) == 1


def test_a_sign_that_contradicts_the_codestream_is_mended() -> None:
    assert read_dicom(bundled("J2K_pixelrep_mismatch.dcm")).pixels[0, 0] == -2000


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("MR_truncated.dcm", "truncated"),
        ("rtdose.dcm", "32 bits"),
        ("rtdose_1frame.dcm", "32 bits"),
        ("liver_1frame.dcm", "1 of 1 bits"),
        ("examples_ybr_color.dcm", "30 frames.*--frame 1 to 30"),
        ("SC_rgb_rle_16bit.dcm", "colour of 16 bits"),
        ("rtplan.dcm", "RT Plan Storage"),
        ("waveform_ecg.dcm", "no integer pixels"),
        ("no_meta.dcm", "not a DICOM file"),
    ],
)
def test_what_is_not_one_gray_image_is_refused_by_name(name: str, match: str) -> None:
    with pytest.raises(InvalidInput, match=match):
        read_dicom(bundled(name))


def test_jpeg_extended_of_12_bits_is_read() -> None:
    """Values as another decoder (a libjpeg of its own) has them: lossy JPEG may differ by one."""
    pytest.importorskip("gdcm")
    found = read_dicom_image(bundled("JPGExtended.dcm"))
    pixels = found.image.pixels.astype(int)
    assert pixels.shape == (1024, 256) and found.bits_stored == 12
    row = [23, 24, 25, 27, 29, 30, 31, 32, 31, 35, 38, 37, 34, 33, 36, 39]
    assert np.abs(pixels[420, 80:96] - row).max() <= 1
    assert abs(pixels[421, 143] - 264) <= 1 and pixels.max() <= 265
    assert np.abs(pixels[::128, 128] - [1, 20, 68, 56, 14, 1, 1, 1]).max() <= 1
    assert abs(pixels.sum() / 3_770_427 - 1) < 0.002


def test_broken_frames_of_jpeg_extended_are_refused_and_bring_nothing_down(tmp_path: Path) -> None:
    """GDCM ends the process at some of these when it is handed them."""
    pytest.importorskip("gdcm")
    dataset = pydicom.dcmread(bundled("JPGExtended.dcm"))
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    sizes = frame.index(b"\xff\xc1")
    code = frame.index(b"\xff\xc4") + 5
    scan = frame.index(b"\xff\xda")

    def at(place: int, value: int) -> bytes:
        return frame[:place] + bytes((value,)) + frame[place + 1 :]

    broken = {
        "cut off": frame[:-2],
        "no end": frame[:scan] + frame[scan:].replace(b"\xff\xd9", b"\x00\x00"),
        "stray marker": at(scan + 30, 0xFF)[: scan + 31] + b"\xa1" + frame[scan + 32 :],
        "8 bits": at(sizes + 4, 8),
        "another size": at(sizes + 6, 9),
        "codes without end": at(code, 200),
        "no codes": frame.replace(b"\xff\xc4", b"\xff\xe4"),
        "half a segment": frame[: code + 3],
        "not a JPEG": b"\x00" * 100,
    }
    for name, changed_frame in broken.items():
        dataset.PixelData = encapsulate([changed_frame])
        dataset.save_as(tmp_path / "broken.dcm")
        with pytest.raises(InvalidInput, match="cannot be decoded"):
            print(name, read_dicom(tmp_path / "broken.dcm"))
    rng = np.random.default_rng(0)
    for _ in range(150):
        flipped = bytearray(frame)
        for place in rng.integers(2, len(frame) if rng.random() < 0.5 else scan, 6):
            flipped[place] ^= int(rng.integers(1, 256))
        dataset.PixelData = encapsulate([bytes(flipped)])
        dataset.save_as(tmp_path / "flipped.dcm")
        with suppress(InvalidInput):
            assert read_dicom(tmp_path / "flipped.dcm").pixels.shape == (1024, 256)


def test_polarity_and_rescale_are_told_not_applied(tmp_path: Path) -> None:
    def invert(dataset: Dataset) -> None:
        dataset.PhotometricInterpretation = "MONOCHROME1"
        dataset.WindowCenter, dataset.WindowWidth = ["-1000", "40"], ["200", "400"]

    found = read_dicom_image(changed(tmp_path, invert))
    assert found.inverted and found.rescale == (1, -1024)
    np.testing.assert_array_equal(found.image.pixels, read_dicom(bundled("CT_small.dcm")).pixels)
    assert found.image.window == Window(center=24, width=200, step=1)
    assert not read_dicom_image(bundled("CT_small.dcm")).inverted


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("PixelSpacing", ["0", "1"]), ("PixelSpacing", None), ("WindowWidth", "0")],
)
def test_nonsense_attributes_count_as_unknown(tmp_path: Path, keyword: str, value: Any) -> None:
    def spoil(dataset: Dataset) -> None:
        dataset.WindowCenter, dataset.WindowWidth = "40", "400"
        setattr(dataset, keyword, value)

    image = read_dicom(changed(tmp_path, spoil))
    assert (image.spacing if keyword == "PixelSpacing" else image.window) is None


def test_too_many_pixels_are_refused_undecoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dicom_reading, "MAX_PIXELS", 128 * 128 - 1)
    with pytest.raises(InvalidInput, match="16,384 pixels"):
        read_dicom(bundled("CT_small.dcm"))


def test_missing_pixel_attributes_are_refused(tmp_path: Path) -> None:
    for keyword in ("Rows", "BitsStored", "BitsAllocated", "PhotometricInterpretation"):
        path = changed(tmp_path, lambda dataset, k=keyword: dataset.pop(k))  # type: ignore[misc]
        with pytest.raises(InvalidInput):
            read_dicom(path)


@given(position=st.integers(132, 39_000), byte=st.integers(0, 255), length=st.integers(140, 39_000))
def test_damage_never_ends_in_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, position: int, byte: int, length: int
) -> None:
    data = bytearray(bundled("CT_small.dcm").read_bytes())
    data[position] = byte
    path = saved(tmp_path_factory.getbasetemp(), bytes(data[:length]))
    for read in (read_dicom, read_dicom_record):
        try:
            read(path)
        except InvalidInput as error:
            assert str(path) in str(error)


def test_a_file_without_a_record_says_so(tmp_path: Path) -> None:
    for read in (read_record, read_dicom_record):
        with pytest.raises(InvalidInput, match="has no radsmith provenance record"):
            read(bundled("CT_small.dcm"))
    with pytest.raises(NotFound):
        read_dicom(tmp_path / "absent.dcm")
    with pytest.raises(InvalidInput, match="not a DICOM file"):
        read_dicom(saved(tmp_path, png_bytes(noise(), made())))


def test_the_record_survives_implicit_transfer(tmp_path: Path) -> None:
    data = parsed(dicom_bytes(noise(), made(), DicomCodes()))
    path = tmp_path / "implicit.dcm"
    data.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian
    data.save_as(path, implicit_vr=True)
    assert read_dicom_record(path) == made()
