"""De-identifying one DICOM object: PS3.15 annex E, basic profile, with options.

Stricter than the profile where that costs nothing: every UID that the standard does not register is
remapped, every private, unknown and person-name attribute goes, and every run of bytes that the
standard gives no meaning; pixels are stored uncompressed (a compressed stream may hold comments),
times of day are not kept, and what identifies is taken out of all text that is left. An object says
of itself what was done to it, and nothing else. Pixels: `deidentify_pixels.py`.
"""

from __future__ import annotations

import hashlib
import hmac
import warnings
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydicom import uid
from pydicom.datadict import dictionary_has_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence

from radsmith.deidentification.header import DEEPEST, identity_in, registered, values_of
from radsmith.deidentification.identity import Identity
from radsmith.deidentification.table import (
    BINARY,
    DESCRIPTORS,
    EDITION,
    KEPT_BINARY,
    action_of,
)
from radsmith.deidentification.text import (
    DUMMY,
    FREE_TEXT,
    coded,
    content,
    descriptor,
    is_about_a_person,
    is_code,
    with_value,
    words,
)
from radsmith.errors import InvalidInput

_TEXT = FREE_TEXT | {"AE", "CS", "PN", "UR"}
_NUMBERS = frozenset(("AS", "IS", "DS"))
_DATES = frozenset(("DA", "DT"))
_SHIFTED_GROUPS = frozenset((0x0008, 0x0018))
_DUMMIES = {"DA": "19000101", "DT": "19000101000000", "TM": "000000", "IS": "0", "DS": "0",
            "AS": "000Y", "UR": "urn:anonymized"}  # fmt: skip
_CHARACTERISTICS = frozenset((0x00100040, 0x00101010, 0x00101020, 0x00101030))
_PIXELS = frozenset(("PixelData", "FloatPixelData", "DoubleFloatPixelData"))
_REFUSED = {
    uid.EncapsulatedPDFStorage: "an encapsulated PDF",
    uid.EncapsulatedCDAStorage: "an encapsulated CDA document",
    uid.RawDataStorage: "raw data",
    uid.MediaStorageDirectoryStorage: "a DICOMDIR, not an image,",
    uid.BasicVoiceAudioWaveformStorage: "a recorded voice",
    uid.GeneralAudioWaveformStorage: "recorded sound",
}
_CODES = {
    "113100": "Basic Application Confidentiality Profile",
    "113101": "Clean Pixel Data Option",
    "113104": "Clean Structured Content Option",
    "113105": "Clean Descriptors Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
}


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How to de-identify.

    secret: key of all pseudonyms and date shifts, at least 16 bytes, kept by the user: the same
    secret gives the same pseudonyms, and whoever has it can test guesses.
    shift_dates: keep intervals in days, moved by a secret number of days a patient; else dates go.
    keep_characteristics: sex, age (90 at most), size and weight stay.
    """

    secret: bytes
    shift_dates: bool = True
    clean_descriptors: bool = True
    keep_characteristics: bool = False

    def __post_init__(self) -> None:
        if len(self.secret) < 16:
            raise InvalidInput(f"the secret has {len(self.secret)} bytes; at least 16 are needed")

    def pseudonym(self, kind: str, value: str, length: int = 12) -> str:
        """Hexadecimal digits that stand for a value; not to be undone without the secret."""
        return self._digest(kind, value).hex()[:length]

    def new_uid(self, old: str) -> str:
        """The UID that stands for another, under 2.25 (PS3.5 B.2)."""
        return f"2.25.{int.from_bytes(self._digest('uid', old)[:15], 'big')}"

    def days(self, patient: str) -> int:
        """Days by which a patient's dates are moved into the past: 1 to 3,650."""
        return 1 + int.from_bytes(self._digest("days", patient)[:4], "big") % 3650

    def _digest(self, kind: str, value: str) -> bytes:
        said = f"{kind}\0{value}".encode("utf-8", "surrogateescape")
        return hmac.new(self.secret, said, hashlib.sha256).digest()


@dataclass
class Removed:
    """What was done to one object.

    identity: what was taken out, for searching what is left; never to be written anywhere.
    cleaned: keywords whose text was scrubbed.  leftovers: keywords that held something identifying.
    options: codes of the profile's options that came into play.
    """

    identity: Identity = field(default_factory=Identity)
    cleaned: set[str] = field(default_factory=set)
    leftovers: set[str] = field(default_factory=set)
    options: set[str] = field(default_factory=set)
    attributes: int = 0


def deidentify(
    dataset: Dataset, policy: Policy, more: Identity | None = None
) -> tuple[Dataset, Removed]:
    """A new data set without what tells the patient; the source is left as it is.

    more: what is known of the patient beside this object's own header.
    Raises InvalidInput for objects that cannot be cleaned (documents, raw data, sound, DICOMDIR).
    """
    _refuse(dataset)
    removed = Removed()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        identity = identity_in(dataset)
        removed.identity = identity | more if more else identity
        patient = patient_key(dataset)
        result = _cleaned(dataset, policy, policy.days(patient), removed, 0)
        result.PatientID = result.PatientName = "RS" + policy.pseudonym("patient", patient).upper()
        _declare(result, policy, removed)
    return result, removed


def _refuse(dataset: Dataset) -> None:
    kind = str(dataset.get("SOPClassUID", ""))
    named = _REFUSED.get(uid.UID(kind))
    if named is None and "EncapsulatedDocument" in dataset:
        named = "an encapsulated document"
    if named:
        raise InvalidInput(f"{named} cannot be cleaned attribute by attribute; leave it out")
    if "PixelDataProviderURL" in dataset:
        raise InvalidInput("its pixels lie on a server and cannot be looked at; fetch them first")


def patient_key(dataset: Dataset) -> str:
    """What tells a patient from others: id and issuer, else name and birth date, else the study."""
    parts = [str(dataset.get(k, "") or "").strip() for k in ("PatientID", "IssuerOfPatientID")]
    if not parts[0]:
        parts = [str(dataset.get(k, "") or "").strip() for k in ("PatientName", "PatientBirthDate")]
    if not any(parts):
        parts = [str(dataset.get("StudyInstanceUID", "") or dataset.get("SOPInstanceUID", ""))]
    return "\0".join(parts)


def _cleaned(source: Dataset, policy: Policy, days: int, removed: Removed, depth: int) -> Dataset:
    if depth > DEEPEST:
        raise InvalidInput(f"sequences are nested more than {DEEPEST} deep")
    result = Dataset()
    code = depth > 0 and is_code(source)
    for element in source:
        kept = coded(element, source, removed.identity) if code else None
        if element.keyword == "TextValue" and is_about_a_person(source):
            kept = with_value(element, DUMMY)
        if kept is None:
            kept = _element(element, policy, days, removed, depth)
        if kept is None:
            removed.attributes += 1
        else:
            result.add(kept)
    return result


def _element(
    element: DataElement, policy: Policy, days: int, removed: Removed, depth: int
) -> DataElement | None:
    """What becomes of one attribute; None where it goes."""
    tag, vr = element.tag, str(element.VR)
    action = action_of(tag)
    if not dictionary_has_tag(tag) or vr == "UN" or tag.group in (0x0002, 0x0004):
        return None
    if element.keyword in _PIXELS or vr in BINARY:
        kept = element.keyword in _PIXELS and depth == 0
        return element if kept or element.keyword in KEPT_BINARY else None
    if vr == "SQ" and (action in ("keep", "recurse") or element.keyword == "ContentSequence"):
        items = [_cleaned(i, policy, days, removed, depth + 1) for i in element.value or ()]
        removed.options |= {"113104"} if element.keyword == "ContentSequence" else set()
        return DataElement(tag, vr, Sequence(items))
    if int(tag) in DESCRIPTORS and policy.clean_descriptors and vr in FREE_TEXT:
        removed.cleaned.add(element.keyword)
        removed.options |= {"113105"} if element.value else set()
        return _described(element, action, removed)
    if int(tag) in _CHARACTERISTICS and policy.keep_characteristics:
        removed.options.add("113108")
        return _capped(element)
    if vr == "UI":
        return _remapped(element, policy)
    if vr in _DATES and policy.shift_dates and tag.group in _SHIFTED_GROUPS:
        return _shifted(element, days, removed)
    return _by_action(element, "empty" if vr == "PN" and action == "keep" else action, removed)


def _described(element: DataElement, action: str, removed: Removed) -> DataElement | None:
    """A description of known words; without any it goes where the profile lets it go."""
    kept = descriptor(element, removed.identity)
    return None if kept.value == DUMMY and action == "remove" else kept


def _by_action(element: DataElement, action: str, removed: Removed) -> DataElement | None:
    vr = str(element.VR)
    if action == "remove":
        return None
    if action == "empty":
        return with_value(element, None) if vr != "SQ" else DataElement(element.tag, vr, Sequence())
    if action in ("dummy", "uid", "recurse"):
        if vr == "SQ" or vr not in _TEXT | _NUMBERS | _DATES | {"TM"}:
            return None
        return with_value(element, _DUMMIES.get(vr, DUMMY))
    if vr in ("TM", *_DATES):
        return with_value(element, _DUMMIES[vr])
    return _said(element, removed) if vr in _TEXT and element.value else element


def _said(element: DataElement, removed: Removed) -> DataElement:
    if element.keyword == "TextValue":
        removed.cleaned.add("TextValue")
        return content(element, removed.identity)
    kept = words(element, removed.identity)
    if kept is not element:
        removed.leftovers.add(element.keyword)
    return kept


def _remapped(element: DataElement, policy: Policy) -> DataElement:
    values = [str(v) for v in values_of(element.value)]
    return with_value(element, [v if registered(v) else policy.new_uid(v) for v in values])


def _shifted(element: DataElement, days: int, removed: Removed) -> DataElement | None:
    """Dates moved; of a date-time the day alone. What is no date goes."""
    moved = []
    for value in values_of(element.value):
        try:
            date = datetime.strptime(str(value)[:8], "%Y%m%d") - timedelta(days=days)
        except (ValueError, OverflowError):
            return with_value(element, _DUMMIES[str(element.VR)])
        moved.append(
            f"{date.year:04d}{date.month:02d}{date.day:02d}" + "0" * 6 * (element.VR == "DT")
        )
    removed.options |= {"113107"} if moved else set()
    return with_value(element, moved)


def _capped(element: DataElement) -> DataElement | None:
    text = str(element.value or "")
    if str(element.VR) != "AS":
        return element
    if not (len(text) == 4 and text[:3].isdigit() and text[3] in "DWMY"):
        return None
    return with_value(element, "090Y" if text[3] == "Y" and int(text[:3]) > 90 else text)


def _declare(dataset: Dataset, policy: Policy, removed: Removed) -> None:
    """Say in the object what was done (PS3.15 E.1.1, PS3.3 C.12.1.1.1)."""
    shifted = "113107" in removed.options
    dataset.PatientIdentityRemoved = "YES"
    dataset.LongitudinalTemporalInformationModified = "MODIFIED" if shifted else "REMOVED"
    dataset.DeidentificationMethod = f"radsmith, PS3.15 {EDITION}"
    codes = ["113100", *sorted(removed.options)]
    dataset.DeidentificationMethodCodeSequence = Sequence([_coded(code) for code in codes])


def declare_clean_pixels(dataset: Dataset) -> None:
    """Add the Clean Pixel Data Option once the pixels were looked at."""
    dataset.DeidentificationMethodCodeSequence.append(_coded("113101"))
    dataset.BurnedInAnnotation = "NO"


def _coded(code: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, "DCM", _CODES[code]
    return item


def file_meta(dataset: Dataset) -> FileMetaDataset:
    """A new file head that names the new instance and nothing of where it came from."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", uid.SecondaryCaptureImageStorage)
    meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "")
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    return meta
