"""A release that is asked for; a plain value that names files and opens none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from radsmith.errors import InvalidInput

FORMATS = ("dicom", "nifti", "webdataset", "coco")
"""Beside the PNGs with their metadata, which every bundle has."""

LONGEST = 500
"""Characters of a title, an edition, a licence's name or a creator."""


@dataclass(frozen=True, kw_only=True)
class ReleaseRequest:
    """A release that is asked for.

    accepted, audit: files of verdicts and audit where they do not lie with the source.
    without_…: what is waived by name.  source_pixels: let edits of images that are not in the
    release leave, with the pixels of their sources.  real: a data set to measure against.
    log: take the review log along, which names readers.  bits: of the PNGs.
    credentials: sign the images themselves (C2PA).
    """

    source: Path
    out: Path
    title: str
    version: str = "1"
    creators: tuple[str, ...] = ()
    licence: str = "CC-BY-4.0"
    licence_file: Path | None = None
    formats: tuple[str, ...] = ()
    bits: int = 8
    test_share: float = 0.2
    rule: str = "majority"
    accepted: Path | None = None
    audit: Path | None = None
    without_review: bool = False
    without_audit: bool = False
    source_pixels: bool = False
    real: Path | None = None
    judged: bool = True
    credentials: bool = True
    watermark: bool = False
    log: bool = True

    def __post_init__(self) -> None:
        unknown = [name for name in self.formats if name not in FORMATS]
        if unknown:
            raise InvalidInput(f"no format {unknown[0]!r}: there are {', '.join(FORMATS)}")
        if self.bits not in (8, 16):
            raise InvalidInput(f"a PNG has 8 or 16 bits, got {self.bits}")
        if not self.title.strip():
            raise InvalidInput("a bundle needs a title: --title")
        for name, texts in (
            ("--edition", [self.version]),
            ("--licence", [self.licence]),
            ("--creator", self.creators),
        ):
            if not all(text.strip() for text in texts):
                raise InvalidInput(f"{name} is empty: leave it out, or say it")
        longest = max(map(len, (self.title, self.version, self.licence, *self.creators)))
        if longest > LONGEST:
            raise InvalidInput(
                f"title, edition, licence and creators have at most {LONGEST} characters each,"
                f" got one of {longest}"
            )
        if self.without_review and self.accepted:
            raise InvalidInput("--without-review and --accepted contradict each other")
        if self.without_audit and self.audit:
            raise InvalidInput("--without-audit and --audit contradict each other")
