"""De-identification: no value of the patient survives; pseudonyms, dates, text, pixels, files."""

import io
import json
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from PIL import Image as Picture
from PIL import ImageDraw
from pydicom.data import get_testdata_file
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from radsmith.cli import cli
from radsmith.deidentification.attributes import Policy, deidentify, file_meta
from radsmith.deidentification.burned_in import find_text
from radsmith.deidentification.header import registered
from radsmith.deidentification.run import (
    clean_dicom,
    dicom_bytes_of,
    read_secret,
)
from radsmith.deidentification.scrub import clean_descriptor, scrub
from radsmith.deidentification.table import action_of
from radsmith.errors import InvalidInput
from radsmith.images.dicom.opening import open_dicom

POLICY = Policy(secret=b"0123456789abcdef")
TEXT = ("LO", "SH", "PN", "LT", "ST", "UT", "UC")
PATIENT = [
    (tag, vr)
    for tag, (vr, _, _, retired, keyword) in DicomDictionary.items()
    if tag >> 16 == 0x0010 and vr in (*TEXT, "DA", "TM") and keyword and not retired
]
NAMES = st.from_regex(r"[A-Z][a-z]{4,9}zq", fullmatch=True)
DATES = st.dates().map(lambda d: f"{d.year:04d}{d.month:02d}{d.day:02d}")


def slice_of_ct():
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    return dataset


def bytes_of(dataset):
    stream = io.BytesIO()
    dataset.save_as(stream)
    return stream.getvalue()


@pytest.mark.slow
@settings(max_examples=25, phases=(Phase.explicit, Phase.generate))
@given(
    names=st.lists(NAMES, min_size=len(PATIENT), max_size=len(PATIENT), unique=True),
    birth=DATES,
    shift=st.booleans(),
    descriptors=st.booleans(),
)
def test_no_value_of_the_patient_module_survives(names, birth, shift, descriptors):
    dataset = slice_of_ct()
    values = {}
    for (tag, vr), name in zip(PATIENT, names, strict=True):
        value = birth if vr == "DA" else "123456.789" if vr == "TM" else name
        dataset.add_new(tag, vr, value)
        values[tag] = value
    nested = Dataset()
    for tag in (0x00100010, 0x00100020):
        nested[tag] = dataset[tag]
    dataset.RequestAttributesSequence = Sequence([nested])
    dataset.OtherPatientIDsSequence = Sequence([nested])
    first, second = names[0], names[1]
    dataset.SeriesDescription = f"Chest of {first}"
    dataset.ImageComments = f"see {second}, born {birth}"
    dataset.Manufacturer = f"scanned by {first}"
    dataset.private_block(0x0099, first, create=True).add_new(1, "LO", second)
    dataset.add_new(0x60003000, "OW", first.encode() * 2)
    dataset.preamble = first.encode().ljust(128, b"\0")
    dataset.file_meta.SourceApplicationEntityTitle = second
    dataset.PixelData += first.encode() * 2
    policy = Policy(secret=b"0" * 16, shift_dates=shift, clean_descriptors=descriptors)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clean, _, _ = clean_dicom(bytes_of(dataset), policy, "mask")
    written = dicom_bytes_of(clean)
    for value in {*values.values(), "123456"}:
        assert value.encode() not in written, value
    again = pydicom.dcmread(io.BytesIO(written))
    assert again.PatientIdentityRemoved == "YES"
    assert np.array_equal(again.pixel_array, slice_of_ct().pixel_array)


IDENTIFYING = (
    "PatientName", "PatientID", "PatientBirthDate", "AccessionNumber", "InstitutionName",
    "ReferringPhysicianName", "OperatorsName", "StationName", "DeviceSerialNumber",
    "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID",
)  # fmt: skip


def test_none_of_the_files_of_pydicom_keeps_who_it_is_of():
    looked = 0
    for path in sorted(Path(get_testdata_file("CT_small.dcm")).parent.glob("*.dcm")):
        try:
            source = open_dicom(path.read_bytes())
            source.pop("PixelData", None)
            clean, _ = deidentify(source, POLICY)
            clean.file_meta = file_meta(clean)
            written = dicom_bytes_of(clean)
        except InvalidInput:
            continue
        looked += 1
        for keyword in IDENTIFYING:
            value = str(source.get(keyword, "") or "")
            if len(value) > 3 and not registered(value):
                assert value.encode("utf-8", "replace") not in written, (path.name, keyword)
    assert looked > 60


def test_the_profile_table_is_there():
    tags = {
        "PatientName": "empty",
        "PatientBirthDate": "empty",
        "InstitutionName": "dummy",
        "SOPInstanceUID": "uid",
        "PatientComments": "remove",
    }
    for keyword, action in tags.items():
        assert action_of(pydicom.tag.Tag(keyword)) == action, keyword
    assert action_of(pydicom.tag.Tag(0x60020010)) == "remove"
    assert action_of(pydicom.tag.Tag(0x00090010)) == "remove"
    assert action_of(pydicom.tag.Tag("Rows")) == "keep"


def test_uids_are_remapped_the_same_way_and_only_with_the_secret():
    dataset = slice_of_ct()
    one, two = (deidentify(dataset, POLICY)[0] for _ in range(2))
    other, _ = deidentify(dataset, Policy(secret=b"another secret!!"))
    assert one.StudyInstanceUID == two.StudyInstanceUID != dataset.StudyInstanceUID
    assert one.StudyInstanceUID != other.StudyInstanceUID
    assert one.PatientID == two.PatientID != other.PatientID
    assert one.SOPClassUID == dataset.SOPClassUID
    for element in one.iterall():
        if element.VR == "UI" and element.value:
            assert registered(str(element.value)) or str(element.value).startswith("2.25.")


def test_dates_keep_their_intervals_within_a_patient():
    first, second = slice_of_ct(), slice_of_ct()
    first.StudyDate, second.StudyDate = "20200228", "20200301"
    first.StudyTime = "101500"
    moved = [deidentify(d, POLICY)[0].StudyDate for d in (first, second)]
    assert moved[0] != "20200228"
    days = [np.datetime64(f"{d[:4]}-{d[4:6]}-{d[6:]}") for d in moved]
    assert days[1] - days[0] == np.timedelta64(2, "D")
    removed = Policy(secret=POLICY.secret, shift_dates=False)
    assert "2020" not in str(deidentify(first, removed)[0].get("StudyDate", ""))
    assert deidentify(first, POLICY)[0].get("StudyTime") in ("", None, "000000")


def test_characteristics_stay_only_if_asked_and_age_is_capped():
    dataset = slice_of_ct()
    dataset.PatientAge, dataset.PatientSex = "095Y", "F"
    assert not deidentify(dataset, POLICY)[0].get("PatientAge")
    kept = Policy(secret=POLICY.secret, keep_characteristics=True)
    assert deidentify(dataset, kept)[0].PatientAge == "090Y"


def test_structured_reports_keep_their_words_without_names():
    from tests.language.test_report import structured_report

    dataset = pydicom.dcmread(io.BytesIO(structured_report()))
    text = dataset.ContentSequence[1].ContentSequence[0]
    text.TextValue = "Mrs. Jane Doe has a pneumothorax. Seen 03/04/2021 by Dr. House, MRN 4451236."
    clean, _, _ = clean_dicom(bytes_of(dataset), POLICY, "mask")
    written = dicom_bytes_of(clean)
    for word in (b"Jane", b"House", b"2021", b"4451236", b"Gregory"):
        assert word not in written, word
    assert b"pneumothorax" in written


@pytest.mark.parametrize(
    "text",
    [
        "Electronically signed by: Gregory House, MD on 04/05/2020 at 10:15 AM",
        "Patient: Jane Doe\nMRN: 12345678",
        "Discussed with Dr. Wilson at 14:30 on March 3rd, 2019.",
        "Compared with ___ and with 12 January 2018. Call (555) 123-4567.",
        "Accession AB1234567; jane.doe@example.org; [**2101-3-4**]",
        "Dictated by Lisa Cuddy, M.D.",
    ],
)
def test_reports_lose_names_dates_and_numbers(text):
    kept = scrub(text + "\nNo pneumothorax; nodule of 12 mm at L4-L5, series 3.")
    for word in ("House", "Doe", "1234", "Wilson", "2019", "2018", "2020", "555", "__", "2101",
                 "example", "Cuddy", "10:15", "14:30"):  # fmt: skip
        assert word not in kept
    assert "No pneumothorax; nodule of 12 mm at L4-L5, series 3." in kept


def test_known_values_go_wherever_they_stand():
    known = ["DOE^JANE", "ZX-77"]
    assert scrub("Doe, Jane (zx-77): doering effusion", known) == "( ): doering effusion"


def test_descriptors_keep_known_words_only():
    assert clean_descriptor("CT Chest w/o contrast by Miller 20200101 T2 AX") == (
        "CT Chest w o contrast by T2 AX"
    )


def test_burned_in_text_is_masked_or_refused():
    canvas = Picture.new("L", (400, 300), 40)
    pen = ImageDraw.Draw(canvas)
    pen.text((20, 20), "DOE JANE 12/03/1961", fill=255)
    pen.text((350, 150), "R", fill=255)
    found = find_text(np.asarray(canvas))
    assert found and all(x1 < 200 for _, _, x1, _ in found)  # the name, not the side marker
    dataset = slice_of_ct()
    dataset.Modality, dataset.ImageType = "US", ["DERIVED", "SECONDARY"]
    dataset.Rows, dataset.Columns = 300, 400
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = canvas.tobytes()
    clean, _, count = clean_dicom(bytes_of(dataset), POLICY, "mask")
    assert count >= 1 and clean.BurnedInAnnotation == "NO"
    pixels = clean.pixel_array
    assert pixels[15:35, 20:150].max() == 40  # the text is gone
    assert pixels[150:165, 345:365].max() > 200  # the side marker is not
    with pytest.raises(InvalidInput, match="burned-in text"):
        clean_dicom(bytes_of(dataset), POLICY, "refuse")


def test_secret_is_made_once_and_kept_private(tmp_path):
    path = tmp_path / "keys" / "secret"
    first = read_secret(path)
    assert read_secret(path) == first and len(first) == 64
    assert path.stat().st_mode & 0o077 == 0
    path.chmod(0o644)
    with pytest.raises(InvalidInput, match="chmod 600"):
        read_secret(path)
    with pytest.raises(InvalidInput, match="at least 16"):
        Policy(secret=b"short")


def test_command_writes_copies_and_a_risk_report(tmp_path):
    source, out = tmp_path / "Jane Doe", tmp_path / "out"
    source.mkdir()
    dataset = slice_of_ct()
    dataset.PatientName = "Doe^Jane"
    dataset.save_as(source / "doe.dcm")
    (source / "report.txt").write_text("Patient: Jane Doe\nNo effusion.")
    (source / "notes.bin").write_bytes(b"\x00\x01")
    arguments = ["deidentify", str(source), "-o", str(out), "--secret", str(tmp_path / "secret")]
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    files = sorted(p for p in out.rglob("*") if p.is_file())
    assert [p.suffix for p in files] == [".dcm", ".txt", ".json"] or len(files) == 3
    for path in files:
        assert b"Doe" not in path.read_bytes()
        assert "doe" not in str(path.relative_to(out)).lower()
    report = json.loads((out / "residual-risk.json").read_text())
    assert report["done"] == {"DICOM objects": 1, "reports": 1}
    assert "notes.bin" in (tmp_path / "out-problems.csv").read_text()


def test_without_the_extra_the_mend_is_said(tmp_path, monkeypatch):
    import sys

    from radsmith.deidentification import burned_in
    from radsmith.deidentification import table as deidentify_table
    from radsmith.errors import Unavailable

    tables = "dicomanonymizer.dicom_anonymization_databases"
    for name in ("dicomanonymizer", tables, "rapidocr"):
        monkeypatch.setitem(sys.modules, name, None)
    (tmp_path / "a.txt").write_text("No effusion.")
    arguments = ["import", str(tmp_path / "a.txt"), "-o", str(tmp_path / "o")]
    with pytest.raises(Unavailable, match=r"radsmith\[import\]"):
        CliRunner().invoke(cli, arguments, catch_exceptions=False)
    for cached in (deidentify_table._table, burned_in._reader):
        cached.cache_clear()
        with pytest.raises(Unavailable, match=r"radsmith\[import\]"):
            cached()
        cached.cache_clear()
