"""De-identifying one DICOM object: PS3.15 annex E, basic profile, with options.

Stricter than the profile where that costs nothing: every UID that the standard does not register is
remapped, every private, unknown and person-name attribute goes, pixels are stored uncompressed (a
compressed stream may hold comments), times of day are not kept, and what is left is searched for
the values that were taken out. Pixels are looked at by `burned_in.py`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pydicom import uid
from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import dictionary_has_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence

from radsmith.deidentification.scrub import clean_descriptor, identifying_words, scrub
from radsmith.deidentification.table import DESCRIPTORS, EDITION, action_of
from radsmith.errors import InvalidInput

_TEXT = frozenset(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT", "AS", "IS", "DS"))
_FREE_TEXT = frozenset(("LO", "LT", "SH", "ST", "UC", "UT"))
_DATES = frozenset(("DA", "DT"))
_SHIFTED_GROUPS = frozenset((0x0008, 0x0018))
_DUMMY = {"DA": "19000101", "DT": "19000101000000", "TM": "000000", "IS": "0", "DS": "0",
          "AS": "000Y", "PN": "ANONYMIZED", "CS": "ANONYMIZED", "UR": "urn:anonymized"}  # fmt: skip
_CHARACTERISTICS = frozenset((0x00100040, 0x00101010, 0x00101020, 0x00101030))
_REFUSED = {
    uid.EncapsulatedPDFStorage: "an encapsulated PDF",
    uid.EncapsulatedCDAStorage: "an encapsulated CDA document",
    uid.RawDataStorage: "raw data",
    uid.MediaStorageDirectoryStorage: "a DICOMDIR, not an image",
}
_CODES = {
    "113100": "Basic Application Confidentiality Profile",
    "113101": "Clean Pixel Data Option",
    "113104": "Clean Structured Content Option",
    "113105": "Clean Descriptors Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
}
_HARMLESS = frozenset(("anonymized", "anonymous", "original", "primary", "derived", "secondary"))
_DEEPEST = 24


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

    identifying: the values taken out, for searching what is left; never to be written anywhere.
    cleaned: keywords whose text was scrubbed.  leftovers: keywords removed by the last search.
    """

    identifying: set[str] = field(default_factory=set)
    cleaned: set[str] = field(default_factory=set)
    leftovers: set[str] = field(default_factory=set)
    attributes: int = 0


def deidentify(dataset: Dataset, policy: Policy) -> tuple[Dataset, Removed]:
    """A new data set without what tells the patient; the source is left as it is.

    Raises InvalidInput for objects that cannot be cleaned (documents, raw data, DICOMDIR).
    """
    kind = str(dataset.get("SOPClassUID", ""))
    if kind in _REFUSED:
        raise InvalidInput(f"{_REFUSED[uid.UID(kind)]} cannot be cleaned attribute by attribute")
    removed = Removed()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        removed.identifying = _identifying(dataset)
        patient = patient_key(dataset)
        result = _cleaned(dataset, policy, policy.days(patient), removed, 0)
        result.PatientID = result.PatientName = "RS" + policy.pseudonym("patient", patient).upper()
        _sweep(result, removed, identifying_words(removed.identifying))
        _declare(result, policy)
    return result, removed


def patient_key(dataset: Dataset) -> str:
    """What tells a patient from others: id and issuer, else name and birth date, else the study."""
    parts = [str(dataset.get(k, "") or "").strip() for k in ("PatientID", "IssuerOfPatientID")]
    if not parts[0]:
        parts = [str(dataset.get(k, "") or "").strip() for k in ("PatientName", "PatientBirthDate")]
    if not any(parts):
        parts = [str(dataset.get("StudyInstanceUID", "") or dataset.get("SOPInstanceUID", ""))]
    return "\0".join(parts)


def _cleaned(source: Dataset, policy: Policy, days: int, removed: Removed, depth: int) -> Dataset:
    if depth > _DEEPEST:
        raise InvalidInput(f"sequences are nested more than {_DEEPEST} deep")
    result = Dataset()
    for element in source:
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
    if vr == "SQ" and (action in ("keep", "recurse") or element.keyword == "ContentSequence"):
        items = [_cleaned(i, policy, days, removed, depth + 1) for i in element.value or ()]
        return DataElement(tag, vr, Sequence(items))
    if int(tag) in DESCRIPTORS and policy.clean_descriptors and vr in _FREE_TEXT:
        removed.cleaned.add(element.keyword)
        return _with(element, clean_descriptor(str(element.value or "")))
    if int(tag) in _CHARACTERISTICS and policy.keep_characteristics:
        return _capped(element)
    if vr == "UI":
        return _remapped(element, policy)
    if vr in _DATES and policy.shift_dates and tag.group in _SHIFTED_GROUPS:
        return _shifted(element, days)
    return _by_action(element, "empty" if vr == "PN" and action == "keep" else action, removed)


def _by_action(element: DataElement, action: str, removed: Removed) -> DataElement | None:
    vr = str(element.VR)
    if action == "remove":
        return None
    if action == "empty":
        return _with(element, None) if vr != "SQ" else DataElement(element.tag, vr, Sequence())
    if action in ("dummy", "uid", "recurse"):
        if element.keyword == "TextValue":
            removed.cleaned.add("TextValue")
            return _with(element, scrub(str(element.value), identifying_words(removed.identifying)))
        if vr == "SQ" or vr not in _TEXT | _DATES | {"TM"}:
            return None
        return _with(element, _DUMMY.get(vr, "ANONYMIZED"))
    if vr in ("TM", *_DATES):
        return _with(element, _DUMMY[vr])
    if vr in _FREE_TEXT and element.value:
        return _scrubbed(element, removed)
    return element


def _scrubbed(element: DataElement, removed: Removed) -> DataElement:
    known = identifying_words(removed.identifying)
    values = element.value if isinstance(element.value, (list, tuple)) else [element.value]
    return _with(element, [scrub(str(v), known) for v in values])


def _remapped(element: DataElement, policy: Policy) -> DataElement:
    values = [str(v) for v in _values(element.value)]
    return _with(element, [v if registered(v) else policy.new_uid(v) for v in values])


def registered(value: str) -> bool:
    """Whether a UID is one of the standard's own: it tells nothing of a patient."""
    return value in UID_dictionary


def _shifted(element: DataElement, days: int) -> DataElement | None:
    """Dates moved; of a date-time the day alone. What is no date goes."""
    moved = []
    for value in _values(element.value):
        try:
            date = datetime.strptime(str(value)[:8], "%Y%m%d") - timedelta(days=days)
        except (ValueError, OverflowError):
            return _with(element, _DUMMY[str(element.VR)])
        moved.append(
            f"{date.year:04d}{date.month:02d}{date.day:02d}" + "0" * 6 * (element.VR == "DT")
        )
    return _with(element, moved)


def _capped(element: DataElement) -> DataElement | None:
    text = str(element.value or "")
    if str(element.VR) != "AS":
        return element
    if not (len(text) == 4 and text[:3].isdigit() and text[3] in "DWMY"):
        return None
    return _with(element, "090Y" if text[3] == "Y" and int(text[:3]) > 90 else text)


def _with(element: DataElement, value: Any) -> DataElement:
    if isinstance(value, list) and len(value) < 2:
        value = value[0] if value else None
    return DataElement(element.tag, element.VR, value)


def _values(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, (list, tuple)) or hasattr(value, "append") else [value]


def _identifying(dataset: Dataset) -> set[str]:
    """Text values of the attributes that the profile takes out, nested ones included."""
    return set(_identifying_values(dataset, 0))


def _identifying_values(dataset: Dataset, depth: int) -> Iterator[str]:
    for element in dataset:
        vr = str(element.VR)
        if vr == "SQ" and depth <= _DEEPEST:
            for item in element.value or ():
                yield from _identifying_values(item, depth + 1)
        elif vr == "UI":
            yield from (str(v) for v in _values(element.value) if not registered(str(v)))
        elif int(element.tag) in DESCRIPTORS or int(element.tag) in _CHARACTERISTICS:
            continue
        elif vr == "PN" or (vr in _TEXT - {"CS", "IS", "DS"} and action_of(element.tag) != "keep"):
            if element.keyword != "TextValue":
                yield from (str(v) for v in _values(element.value) if str(v).strip())
        elif element.tag.group == 0x0010 and vr in _DATES:
            yield from (str(v) for v in _values(element.value))


def _sweep(dataset: Dataset, removed: Removed, words: set[str]) -> None:
    """Remove text that still holds one of the words."""
    kept = {w.lower() for w in words if len(w) > 3} - _HARMLESS
    if not kept:
        return
    known = re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, kept))})(?![^\W_])", re.IGNORECASE)
    for element in list(dataset):
        vr = str(element.VR)
        if vr == "SQ":
            for item in element.value or ():
                _sweep(item, removed, words)
        elif (
            vr in _TEXT - {"IS", "DS"}
            and element.keyword not in ("PatientID", "PatientName")
            and known.search(str(element.value or ""))
        ):
            removed.leftovers.add(element.keyword)
            del dataset[element.tag]


def _declare(dataset: Dataset, policy: Policy) -> None:
    """Say in the object what was done (PS3.15 E.1.1, PS3.3 C.12.1.1.1)."""
    codes = ["113100", "113104"]
    codes += ["113105"] if policy.clean_descriptors else []
    codes += ["113107"] if policy.shift_dates else []
    codes += ["113108"] if policy.keep_characteristics else []
    dataset.PatientIdentityRemoved = "YES"
    dataset.LongitudinalTemporalInformationModified = (
        "MODIFIED" if policy.shift_dates else "REMOVED"
    )
    dataset.DeidentificationMethod = f"radsmith, PS3.15 {EDITION}"
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
