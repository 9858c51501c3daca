"""No UID, name, id, date or private value of a source is in anything that is released."""

import string
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence

import radsmith
from radsmith.editing.files import open_source, write_edited
from radsmith.editing.operations import Task, inpaint
from radsmith.engines.engine import Completion, ModelFacts
from radsmith.errors import InvalidInput, RadsmithError
from radsmith.images.provenance import Request
from tests.release.making import MADE, bundled, record, write_dicom

KINDS = {"PN", "LO", "SH", "UI", "DA", "DT", "TM", "LT", "ST", "UT", "AE", "AS", "IS", "UC"}
SHORTEST = 5
KNOWN = ("1.2.840.10008", "ISO_IR", "ISO 2022")
"""Values that are the standard's, not a source's."""
TEXT = st.text(string.ascii_letters + string.digits, min_size=8, max_size=16).map("Zq".__add__)
UIDS = st.lists(st.integers(1000, 99999), min_size=3, max_size=6).map(
    lambda n: "1.3.12.2." + ".".join(map(str, n))
)
DATES = st.dates().map(lambda d: f"19{d:%y%m%d}")
OWN = b"\n".join(p.read_bytes() for p in Path(radsmith.__file__).parent.glob("**/*.*y"))
"""Words of radsmith's own, such as AXIAL, which a source may use too."""


class Blank:
    """An engine that fills with mid-gray: what is released is not about what is drawn."""

    facts = ModelFacts(name="blank", digest="e" * 64, images=None, together=None)

    def fill(self, given, ask):
        pixels = np.where(given.mask, 0.5, given.pixels).astype(np.float32)
        return Completion(pixels=pixels, concepts=ask.concepts)


def values_of(dataset):
    """Everything textual that a header says, private data too, but for the standard's own."""
    found = set()
    for element in [*dataset.iterall(), *dataset.file_meta]:
        if element.VR not in KINDS and not element.tag.is_private:
            continue
        raw = element.value if isinstance(element.value, list) else [element.value]
        for value in raw:
            text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
            for part in (text.strip(), *text.replace("^", " ").split()):
                letters = sum(c.isalnum() for c in part)
                if (
                    letters >= SHORTEST
                    and len(set(part)) > 3
                    and part.isprintable()
                    and not part.startswith(KNOWN)
                ):
                    found.add(part)
    return found


def edited(path, folder):
    """A DICOM file with a part drawn anew, as `radsmith inpaint` writes it."""
    opened = open_source(path)
    mask = np.zeros(opened.source.shape, bool)
    mask[2:6, 2:6] = True
    task = Task(engine=Blank(), planned=None, request=Request(prompt="", seed=1), created=MADE)
    out = folder / f"{path.stem}-inpaint-1.dcm"
    write_edited(inpaint(opened.source, mask, task), opened, out)
    return out


def released(folder, where, key):
    asked = {"formats": ("dicom", "nifti", "webdataset", "coco"), "source_pixels": True}
    bundled(folder, where, key, **asked)
    for path in where.rglob("*"):
        yield path.relative_to(where).as_posix().encode()
        if path.is_file():
            yield path.read_bytes()


def assert_nothing_of(source, texts):
    everything = b"\n".join(texts)
    for value in values_of(source):
        for spelled in {value, value.replace("\\", "")}:
            data = spelled.encode("utf-8", "replace")
            assert data not in everything or data in OWN, f"{value!r} was released"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_headers_of_real_devices(tmp_path, key):
    """Gray files that come with pydicom and can be edited, released with their edits' pixels."""
    tried = 0
    packaged = Path(pydicom.data.__file__).parent / "test_files"
    for number, path in enumerate(sorted(packaged.glob("*.dcm"))):
        if path.stat().st_size > 300_000:
            continue
        folder = tmp_path / f"s{number}"
        folder.mkdir()
        try:
            edited(path, folder)
        except RadsmithError:
            continue
        source = pydicom.dcmread(path, force=True)
        try:
            texts = list(released(folder, tmp_path / f"b{number}", key))
        except InvalidInput as error:
            assert "MONOCHROME" not in source.PhotometricInterpretation, error
            assert "in colour" in str(error)
            continue
        assert_nothing_of(source, texts)
        tried += 1
    assert tried >= 8


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=TEXT, other=TEXT, uid=UIDS, date=DATES, private=TEXT)
def test_headers_of_all_kinds(tmp_path_factory, key, name, other, uid, date, private):
    """An archive wrote a patient, its own UIDs and private data into our file and sources."""
    folder = tmp_path_factory.mktemp("s")
    path = write_dicom(folder, "image", record(seed=3))
    dataset = pydicom.dcmread(path)
    dataset.PatientName, dataset.PatientID = f"{name}^{other}", other
    dataset.PatientBirthDate = dataset.StudyDate = date
    dataset.InstitutionName = dataset.StudyDescription = dataset.ImageComments = private
    dataset.StudyInstanceUID = dataset.SeriesInstanceUID = uid
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid + ".1"
    dataset.file_meta.SourceApplicationEntityTitle = private[:16]
    item = Dataset()
    item.ReferencedSOPInstanceUID, item.PatientID = uid + ".2", other
    dataset.SourceImageSequence = dataset.RequestAttributesSequence = Sequence([item])
    dataset.private_block(0x0011, "ACME 1.1", create=True).add_new(1, "LO", private)
    renamed = folder / f"{name}.dcm"
    dataset.save_as(renamed)
    path.unlink()
    where = tmp_path_factory.mktemp("b") / "bundle"
    everything = b"\n".join(released(folder, where, key))
    for value in (name, other, uid, date, private, private[:16]):
        assert value.encode() not in everything, value


def test_the_search_itself_finds_what_leaks(tmp_path):
    """The test's own eyes: a value that is there is seen."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.PatientName = "Zqleaky^Name"
    with pytest.raises(AssertionError, match="Zqleaky"):
        assert_nothing_of(dataset, [b"... Zqleaky ..."])
