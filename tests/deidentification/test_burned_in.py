"""What was not looked at is not clean: frames, colours, bits, icons, documents, sound."""

import io

import numpy as np
import pytest
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless

from radsmith.datasets.state import Unit
from radsmith.datasets.units import UnitOptions, pictures_of
from radsmith.deidentification.burned_in import find_text, text_in_frames
from radsmith.deidentification.run import clean_dicom
from radsmith.errors import InvalidInput
from tests.deidentification.test_deidentify import POLICY, bytes_of, slice_of_ct

pytestmark = pytest.mark.slow


US = "1.2.840.10008.5.1.4.1.1.3.1"


def organ(seed=0, shape=(160, 208), high=200):
    """A bright ellipse with speckle on black."""
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    speckle = np.random.default_rng(seed).uniform(0.5, 0.8, shape)
    return (high * speckle * ((x / 0.9) ** 2 + (y / 0.8) ** 2 < 1)).astype(np.uint8)


def written(frame, words, at, ink=255, size=16):
    canvas = Picture.fromarray(frame)
    ImageDraw.Draw(canvas).text(at, words, fill=ink, font=ImageFont.load_default(size=size))
    return np.asarray(canvas)


def image(pixels, photometric="MONOCHROME2", **more):
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = US, "1.2.3.4"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", "1.2.3.1"
    dataset.Modality, dataset.PatientID, dataset.PatientName = "US", "P-4412", "Okonkwo^Adaeze"
    colour = photometric == "RGB"
    frames = pixels if pixels.ndim == (4 if colour else 3) else pixels[None]
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = frames.shape[:3]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3 if colour else 1, photometric
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = frames.dtype.itemsize * 8
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, 0
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.PixelData = frames.tobytes()
    for keyword, value in more.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def cleaned(dataset, text="mask"):
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return clean_dicom(stream.getvalue(), POLICY, text)


def test_text_in_any_frame_is_masked_and_the_rest_stays():
    frames = np.stack([organ(n) for n in range(5)])
    frames[3] = written(frames[3], "ADAEZE OKONKWO", (20, 6))
    frames[1] = written(frames[1], "12-03-1961", (60, 80))  # on the organ
    clean, _, count = cleaned(image(frames))
    pixels = clean.pixel_array
    assert count >= 2 and (pixels[3, 6:22, 20:150] == 255).sum() == 0
    assert (pixels[1, 80:98, 60:150] == 255).sum() == 0
    assert clean.BurnedInAnnotation == "NO"
    assert "113101" in [c.CodeValue for c in clean.DeidentificationMethodCodeSequence]
    assert np.array_equal(pixels[:, 110:], frames[:, 110:])  # no more than the lines is covered
    with pytest.raises(InvalidInput, match="refused as asked"):
        cleaned(image(frames), "refuse")


@pytest.mark.parametrize("words", ["Воронцов Пётр", "Παπαδάκης 1961", "ADAEZE"])
def test_letters_that_cannot_be_read_are_seen(words):
    path = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
    try:
        font = ImageFont.truetype(path, 16)
    except OSError:
        font = ImageFont.load_default(size=16)
        words = "ADAEZE OKONKWO"
    canvas = Picture.fromarray(organ())
    ImageDraw.Draw(canvas).text((30, 70), words, fill=255, font=font)
    found = find_text(np.asarray(canvas))
    assert any(y0 <= 78 <= y1 and x0 <= 60 <= x1 for x0, y0, x1, y1 in found), found


def test_original_slices_are_looked_at_too():
    dataset = slice_of_ct()
    pixels = dataset.pixel_array.copy()
    marked = written(np.zeros(pixels.shape, np.uint8), "DOE 61", (40, 60), size=14) > 128
    pixels[marked] = pixels.max()
    dataset.PixelData = pixels.tobytes()
    clean, _, count = clean_dicom(bytes_of(dataset), POLICY, "mask")
    assert count and (clean.pixel_array[marked] == pixels.max()).mean() < 0.05


def test_colour_palette_and_white_background():
    plain = written(organ(), "ADAEZE OKONKWO", (20, 6))
    coloured = np.stack([organ(), organ(), written(organ(), "ADAEZE OKONKWO", (20, 6))], axis=2)
    clean, _, count = cleaned(image(coloured, "RGB"))
    assert count and (clean.pixel_array[6:22, 20:150, 2] == 255).sum() == 0
    white = 255 - plain
    clean, _, count = cleaned(image(white, "MONOCHROME1"))
    assert count and (clean.pixel_array[6:22, 20:150] == 0).sum() == 0
    order = np.random.default_rng(1).permutation(256).astype(np.uint8)  # index to gray
    indices = np.argsort(order).astype(np.uint8)[plain]
    table = (order.astype(np.uint16) * 257).tobytes()
    palette = {}
    for colour in ("Red", "Green", "Blue"):
        palette[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        palette[f"{colour}PaletteColorLookupTableData"] = table
    clean, _, count = cleaned(image(indices, "PALETTE COLOR", **palette))
    assert count and (order[clean.pixel_array[6:22, 20:150]] == 255).sum() == 0


def test_every_frame_means_those_that_differ_and_very_small_ones():
    frames = np.repeat(organ()[None], 40, axis=0)
    frames[17, 6:22, 20:150] = written(frames[17], "ADAEZE OKONKWO", (20, 6))[6:22, 20:150]
    assert text_in_frames(frames)
    strip = written(np.zeros((24, 200), np.uint8), "ADAEZE OKONKWO", (10, 2))
    assert find_text(strip)


def test_pixels_that_cannot_be_decoded_are_refused():
    dataset = image(organ())
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    from pydicom.encaps import encapsulate

    dataset.PixelData = encapsulate([b"no image at all "])
    dataset["PixelData"].VR = "OB"
    with pytest.raises(InvalidInput, match="cannot be decoded"):
        cleaned(dataset)
    served = image(organ(), PixelDataProviderURL="https://pacs.example/1")
    with pytest.raises(InvalidInput, match="fetch them first"):
        cleaned(served)


def test_old_overlays_in_unused_bits_are_emptied():
    drawn = written(np.zeros((160, 208), np.uint8), "ADAEZE", (20, 6)) > 128
    twelve = organ().astype(np.uint16) * 16
    hidden = twelve | (drawn.astype(np.uint16) << 14)
    dataset = image(hidden, BitsStored=12, HighBit=11)
    dataset.add_new(0x60000010, "US", 160)
    dataset.add_new(0x60000102, "US", 14)
    clean, _, _ = cleaned(dataset)
    assert np.array_equal(clean.pixel_array, twelve)
    assert not [e for e in clean if e.tag.group == 0x6000]


def test_images_within_the_object_go():
    icon = image(organ(shape=(32, 32)))
    dataset = image(organ())
    dataset.IconImageSequence = Sequence([icon])
    dataset.ReferencedImageBoxSequence = Sequence([icon])
    dataset.BadPixelImage = b"ADAEZE OKONKWO.."
    dataset.private_block(0x0099, "ACME", create=True).add_new(1, "OB", b"ADAEZE..")
    clean, _, _ = cleaned(dataset)
    assert "IconImageSequence" not in clean and "BadPixelImage" not in clean
    assert [e.tag for e in clean.iterall() if e.keyword == "PixelData"] == [0x7FE00010]
    assert not any(e.tag.is_private for e in clean.iterall())


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("1.2.840.10008.5.1.4.1.1.104.1", {"EncapsulatedDocument": b"%PDF"}),
        ("1.2.840.10008.5.1.4.1.1.104.3", {"EncapsulatedDocument": b"solid"}),
        ("1.2.840.10008.5.1.4.1.1.9.4.1", {}),
        ("1.2.840.10008.5.1.4.1.1.30", {"FloatPixelData": b"\0" * 16}),
    ],
)
def test_documents_sound_and_floating_point_are_refused(kind, more):
    dataset = image(organ())
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = kind
    for keyword, value in more.items():
        setattr(dataset, keyword, value)
    with pytest.raises(InvalidInput):
        cleaned(dataset)


def test_the_import_looks_at_every_frame_it_takes(tmp_path):
    frames = np.stack([organ(n) for n in range(5)])
    frames[3] = written(frames[3], "ADAEZE OKONKWO", (20, 6))
    path = tmp_path / "cine.dcm"
    image(frames).save_as(path, enforce_file_format=True)
    unit = Unit(path=str(path), kind="frames", patient="p", study="", indices=tuple(range(5)))
    options = UnitOptions(policy=POLICY, source="own_data", body_part="abdomen")
    made = list(pictures_of(unit, "", options))
    assert len(made) == 5
    assert all((m.pixels[6:22, 20:150] == 255).sum() == 0 for m in made)
    refusing = UnitOptions(policy=POLICY, source="own_data", body_part="abdomen", text="refuse")
    assert "refused" in next(pictures_of(unit, "", refusing)).reason
