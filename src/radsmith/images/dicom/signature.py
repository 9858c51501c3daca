"""What a DICOM file looks like from outside, and its words for modalities: no pydicom here."""

from __future__ import annotations

MODALITIES = {
    "CT": "ct", "MR": "mri", "US": "ultrasound", "IVUS": "ultrasound",
    "CR": "x-ray", "DX": "x-ray", "DR": "x-ray", "MG": "x-ray", "RG": "x-ray", "RF": "x-ray",
    "XA": "x-ray", "PX": "x-ray", "IO": "x-ray",
}  # fmt: skip
"""DICOM's Modality (0008,0060) to the vocabulary's; others are not brought in."""
PART_10 = b"DICM"
_SHOWN_AS = {"ct": "CT", "mri": "MRI"}
_VR = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN"
    b" UR US UT UV".split()
)
_LONGEST_FIRST = 4096
"""No first element of a bare data set (group length, character set, image type …) is longer."""


def is_dicom(head: bytes) -> bool:
    """Whether a file begins as PS3.10 says, or as a bare data set of group 0002 or 0008.

    head: its first 132 bytes or more.  Old consoles export without preamble and file meta.
    """
    return head[128:132] == PART_10 or is_bare(head)


def is_bare(head: bytes) -> bool:
    """Whether a data set begins at once: a known VR, or an implicit length that can be true."""
    if len(head) < 12:
        return False
    for order, group in (("little", head[:2]), ("big", head[1::-1])):
        if group not in (b"\x02\x00", b"\x08\x00"):
            continue
        if head[4:6] in _VR:
            return True
        length = int.from_bytes(head[4:8], "little")
        if order == "little" and length % 2 == 0 and length <= _LONGEST_FIRST:
            return True
    return False


def in_words(modality: str) -> str:
    """A prompt's words for DICOM's Modality, such as "breast x-ray" for MG; "" for others."""
    slug = MODALITIES.get(modality, "")
    return f"breast {slug}" if modality == "MG" else _SHOWN_AS.get(slug, slug)
