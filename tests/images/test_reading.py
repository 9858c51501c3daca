"""One reader: what it says of values, windows, polarity and geometry is what pydicom says."""

import os
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.pixels import apply_modality_lut, apply_voi_lut, pixel_array
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from radsmith.errors import InvalidInput
from radsmith.images.dicom.decoding import Layout, decode, justified
from radsmith.images.dicom.geometry import aspect_of, spacing_of
from radsmith.images.dicom.grayscale import Grayscale
from radsmith.images.dicom.opening import open_dicom
from radsmith.images.dicom.reading import read_dicom_image
from radsmith.images.dicom.signature import is_dicom

PACKAGED = Path(get_testdata_file("CT_small.dcm")).parent
MORE = os.environ.get("RADSMITH_DICOM_FOLDER", "")
"""A folder of further DICOM files to be compared, where there is one."""


def image_set(pixels, **more):
    """A data set of one gray image, or of several frames, with further attributes."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.Modality, dataset.SOPClassUID = "CR", "1.2.840.10008.5.1.4.1.1.1"
    depth = 8 * pixels.dtype.itemsize
    if pixels.ndim == 3:
        dataset.NumberOfFrames = len(pixels)
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = depth
    dataset.HighBit, dataset.PixelRepresentation = depth - 1, int(pixels.dtype.kind == "i")
    for keyword, value in more.items():
        setattr(dataset, keyword, value)
    data = np.ascontiguousarray(pixels).tobytes()
    dataset.add_new("PixelData", "OB" if depth == 8 else "OW", data + b"\0" * (len(data) % 2))
    dataset.set_original_encoding(False, True)
    return dataset


def items(**values):
    """A sequence of one item."""
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return Sequence([item])


def lut(entries, first=0, bits=12):
    """A sequence of one look-up table."""
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries), first, bits])
    item.add_new("LUTData", "US", entries)
    return Sequence([item])


def cut(tables):
    """The same with two entries left."""
    tables[0].LUTData = [1, 2]
    return tables


def by_pydicom(dataset, stored):
    """Shown values by pydicom's own functions, from 0 to 1."""
    window = dataset.get("WindowWidth")
    first = window[0] if isinstance(window, pydicom.multival.MultiValue) else window
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if first not in (None, "") and 0 < float(first) < 1 and "VOILUTFunction" not in dataset:
            dataset.VOILUTFunction = "LINEAR_EXACT"  # pydicom refuses such a LINEAR window
        shown = apply_voi_lut(apply_modality_lut(stored, dataset), dataset)
    if dataset.get("VOILUTSequence"):
        return shown / (2 ** int(dataset.VOILUTSequence[0].LUTDescriptor[2]) - 1.0)
    if dataset.get("ModalityLUTSequence"):
        low, high = 0.0, 2 ** int(dataset.ModalityLUTSequence[0].LUTDescriptor[2]) - 1.0
    else:
        bits, signed = int(dataset.BitsStored), int(dataset.PixelRepresentation)
        low, high = (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if signed else (0, 2.0**bits - 1)
    if "RescaleSlope" in dataset:
        low, high = (v * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
                     for v in (low, high))  # fmt: skip
    return (shown - low) / (high - low)


@cache
def gray_files():
    """Packaged files (and those of MORE) that pydicom itself can decode."""
    found = []
    folders = [PACKAGED, Path(MORE)] if MORE else [PACKAGED]
    for path in sorted(p for folder in folders for p in folder.glob("*.dcm")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                dataset = pydicom.dcmread(path)
                size = dataset.Rows * dataset.Columns * int(dataset.get("NumberOfFrames") or 1)
                if dataset.PhotometricInterpretation.startswith("MONO") and size < 2**19:
                    found.append((path, pixel_array(dataset)))
            except Exception:  # no pixels, or none that pydicom decodes
                continue
    return found


def test_values_of_real_files_are_those_of_pydicom():
    assert len(gray_files()) > 20
    for path, stored in gray_files():
        dataset = open_dicom(path.read_bytes())
        if int(dataset.BitsAllocated) == 1:
            continue
        frames = decode(dataset).reshape(stored.shape)
        np.testing.assert_array_equal(frames, stored, err_msg=path.name)
        if dataset.get("SharedFunctionalGroupsSequence"):
            continue  # pydicom's functions do not look there
        meant = Grayscale.of(dataset)
        np.testing.assert_allclose(
            meant.output(frames), apply_modality_lut(stored, dataset), err_msg=path.name
        )
        shown = meant.shown(frames)
        if shown is not None:
            np.testing.assert_allclose(
                shown, by_pydicom(dataset, stored), atol=1e-6, err_msg=path.name
            )


numbers = st.floats(-2000, 2000, allow_nan=False).map(lambda v: round(v, 3))


@st.composite
def headers(draw):
    """Stored values with rescale or Modality LUT, and windows or a VOI LUT."""
    signed, bits = draw(st.booleans()), draw(st.sampled_from((8, 10, 12, 16)))
    low = -(1 << (bits - 1)) if signed else 0
    values = draw(st.lists(st.integers(low, low + (1 << bits) - 1), min_size=4, max_size=12))
    kind = f"{'i' if signed else 'u'}{1 if bits == 8 else 2}"
    more = {"BitsStored": bits, "HighBit": bits - 1}
    if draw(st.booleans()):
        slope = draw(st.sampled_from((1, 2.5, -1, 0.0001, 0.25)))
        more |= {"RescaleSlope": slope, "RescaleIntercept": draw(numbers)}
    first = draw(st.integers(0, 40))
    entries = sorted(draw(st.lists(st.integers(0, 4095), min_size=3, max_size=60)))
    voi = draw(st.sampled_from(("none", "LINEAR", "LINEAR_EXACT", "SIGMOID", "unsaid", "LUT")))
    if voi == "LUT" and "RescaleSlope" not in more:
        more["VOILUTSequence"] = lut(entries, first)
    elif voi not in ("none", "LUT"):
        width = draw(st.floats(0.1 if voi != "LINEAR" else 1.5, 3000).map(lambda v: round(v, 3)))
        center = draw(numbers)
        several = draw(st.booleans())
        more["WindowCenter"] = [center, 7] if several else center
        more["WindowWidth"] = [width, 9] if several else width
        if voi != "unsaid":
            more["VOILUTFunction"] = voi
    if draw(st.booleans()) and "RescaleSlope" not in more:
        more["ModalityLUTSequence"] = lut(entries, first, 16)
    return image_set(np.array([values], kind), **more)


@given(dataset=headers())
def test_made_headers_mean_what_pydicom_says(dataset):
    stored = decode(dataset)[0]
    meant = Grayscale.of(dataset)
    np.testing.assert_allclose(meant.output(stored), apply_modality_lut(stored, dataset))
    shown = meant.shown(stored)
    assert (shown is None) == ("WindowCenter" not in dataset and "VOILUTSequence" not in dataset)
    if shown is not None:
        np.testing.assert_allclose(shown, by_pydicom(dataset, stored), atol=1e-6)
        assert shown.min() >= 0 and shown.max() <= 1


def test_each_frame_has_its_own_rescale_window_and_spacing():
    stored = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
    dataset = image_set(stored)
    groups = []
    for k in range(2):
        group = Dataset()
        group.PixelValueTransformationSequence = items(
            RescaleSlope=k + 1, RescaleIntercept=-10 * k, RescaleType="US"
        )
        group.FrameVOILUTSequence = items(WindowCenter=5 + k, WindowWidth=10 * (k + 1))
        group.PixelMeasuresSequence = items(PixelSpacing=[k + 1, k + 1])
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = Sequence(groups)
    dataset.SharedFunctionalGroupsSequence = Sequence([Dataset()])
    for k, group in enumerate(groups):
        flat = image_set(stored[k])
        for name in ("PixelValueTransformation", "FrameVOILUT"):
            flat.update(group[f"{name}Sequence"].value[0])
        meant = Grayscale.of(dataset, k)
        np.testing.assert_allclose(meant.output(stored[k]), apply_modality_lut(stored[k], flat))
        np.testing.assert_allclose(meant.shown(stored[k]), by_pydicom(flat, stored[k]), atol=1e-6)
        assert spacing_of(dataset, k) == (k + 1, k + 1)


@pytest.mark.parametrize("signed", [False, True])
def test_values_are_shifted_from_the_high_bit_down_with_their_sign(signed):
    values = np.array([[-2000, 5, 2047]] if signed else [[4000, 5, 0]])
    raw = ((values << 4) & 0xFFFF | 9).astype(np.uint16).view(np.int16 if signed else np.uint16)
    found = decode(image_set(raw, BitsStored=12, HighBit=15))
    np.testing.assert_array_equal(found[0], values)
    low = decode(image_set((values & 0xFFF | 0xA000).astype(np.uint16).view(raw.dtype),
                           BitsStored=12, HighBit=11))  # fmt: skip
    np.testing.assert_array_equal(low[0], values)


def test_padding_that_does_not_fit_the_stored_bits_stays():
    padded = np.array([[63536, 7]], np.uint16)
    dataset = image_set(padded, BitsStored=12, HighBit=11)
    assert decode(dataset)[0].tolist() == [[63536 & 4095, 7]]
    dataset.add_new("PixelPaddingValue", "US", 63536)
    assert decode(dataset)[0].tolist() == padded.tolist()
    layout = Layout.of(dataset)
    assert justified(np.array([[63536]], np.uint16), layout, None).tolist() == [[2096]]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"BitsStored": 12, "HighBit": 16}, "12 of 16 bits stored"),
        ({"BitsStored": 17}, "17 of 16 bits"),
        ({"RescaleSlope": 0, "RescaleIntercept": 1}, "RescaleSlope is 0"),
        ({"WindowCenter": 1, "WindowWidth": 2, "VOILUTFunction": "CUBIC"}, "'CUBIC'"),
        ({"VOILUTSequence": cut(lut(list(range(9))))}, "VOI LUT is broken"),
        ({"ModalityLUTSequence": items(LUTDescriptor=[2, 0])}, "Modality LUT is broken"),
        ({"PixelSpacing": [50, 1]}, "50 times as high"),
    ],
)
def test_what_cannot_be_read_truly_is_refused_by_name(tmp_path, more, told):
    dataset = image_set(np.zeros((4, 4), np.uint16), **more)
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=False)
    with pytest.raises(InvalidInput, match=told):
        read_dicom_image(tmp_path / "a.dcm")


@pytest.mark.parametrize(
    ("more", "aspect"),
    [
        ({}, 1),
        ({"PixelSpacing": [0.4, 0.2]}, 2),
        ({"PixelSpacing": [0.2, 0.2001]}, 1),
        ({"PixelAspectRatio": [2, 3]}, 2 / 3),
        ({"PixelAspectRatio": [0, 3]}, 1),
        ({"ImagerPixelSpacing": [1, 4], "PixelAspectRatio": [2, 3]}, 0.25),
    ],
)
def test_pixels_are_as_high_as_the_file_says(more, aspect):
    assert aspect_of(image_set(np.zeros((4, 4), np.uint16), **more)) == pytest.approx(aspect)


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("little", [True, False])
def test_files_without_preamble_and_meta_are_read_as_they_are_encoded(tmp_path, implicit, little):
    if implicit and not little:
        pytest.skip("there is no implicit big endian")
    stored = np.arange(64, dtype=np.uint16).reshape(8, 8) * 300
    dataset = image_set(stored if little else stored.byteswap())
    del dataset.file_meta
    options = {"implicit_vr": implicit, "little_endian": little, "enforce_file_format": False}
    dataset.set_original_encoding(implicit, little)
    dcmwrite(tmp_path / "a.dcm", dataset, **options)
    data = (tmp_path / "a.dcm").read_bytes()
    assert data[128:132] != b"DICM" and is_dicom(data[:256])
    np.testing.assert_array_equal(read_dicom_image(tmp_path / "a.dcm").image.pixels, stored)


@given(st.binary(max_size=200))
def test_little_else_is_taken_for_dicom(data):
    if is_dicom(data):
        assert data[128:132] == b"DICM" or data[:2] in (
            b"\x08\x00",
            b"\x00\x08",
            b"\x02\x00",
            b"\0\2",
        )
    assert not is_dicom(b"\x08\x00" + b"\xff" * 10)


def test_a_curve_shows_what_the_tables_show_and_can_be_turned_back(tmp_path):
    entries = [int(4095 * (k / 255) ** 2) for k in range(256)]
    every = np.arange(256, dtype=np.uint8).reshape(16, 16)
    dataset = image_set(every, VOILUTSequence=lut(entries))
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=False)
    found = read_dicom_image(tmp_path / "a.dcm")
    np.testing.assert_allclose(found.curve, np.array(entries) / 4095, atol=1e-6)
    dataset.VOILUTSequence[0].LUTData = entries[:128] + entries[:128]
    dataset.save_as(tmp_path / "b.dcm", enforce_file_format=False)
    with pytest.raises(InvalidInput, match="up and down"):
        read_dicom_image(tmp_path / "b.dcm")
