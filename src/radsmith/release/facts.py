"""What a bundle says of itself: what was asked for, and what was counted. Pure values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from radsmith.release.gates import Audit, Review
from radsmith.release.items import WITHHELD, Item
from radsmith.release.request import ReleaseRequest

LICENCES = {
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC-BY-NC-4.0": "https://creativecommons.org/licenses/by-nc/4.0/",
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
}
"""By SPDX name; any other text is taken as the name of one's own licence."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known once the images are chosen.

    made: ISO 8601 time.  left_out: reason to number of images of the source.  signer: of the key.
    """

    request: ReleaseRequest
    made: str
    signer: str
    fingerprint: str
    items: Sequence[Item]
    left_out: Mapping[str, int]
    review: Review | None
    audit: Audit | None

    @property
    def waived(self) -> tuple[str, ...]:
        """What was left out on purpose, in the words of the first page."""
        request = self.request
        said = (
            (request.without_review, "review: no reader accepted these images"),
            (request.without_audit, "privacy audit: nobody looked for copies of training images"),
            (
                request.source_pixels and bool(self.edited_sources),
                f"source pixels: {self.edited_sources} edits hold pixels of images that are not in"
                " this bundle, which may be a patient's",
            ),
        )
        return tuple(text for waived, text in said if waived)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What else the first page must say: readers that are none, an audit that says little."""
        said = []
        if self.review is not None and self.review.simulated:
            names = ", ".join(self.review.simulated)
            said.append(f"review: these readers are programs, no persons: {names}")
        if self.audit is not None and self.audit.status not in ("", "none"):
            said.append(f"privacy audit: {self.audit.sentence}")
        return tuple(said)

    @property
    def edited_sources(self) -> int:
        """Edits that hold pixels of an image outside the bundle."""
        return sum(WITHHELD in item.record.parents for item in self.items)

    @property
    def splits(self) -> Counter[str]:
        """Images by split."""
        return Counter(item.split for item in self.items)

    @property
    def models(self) -> Counter[tuple[str, str]]:
        """Images by (model, digest)."""
        return Counter((item.record.model, item.record.model_digest) for item in self.items)

    @property
    def licence_url(self) -> str:
        """Of a known licence; a file of the bundle for one's own."""
        return LICENCES.get(self.request.licence, "LICENSE")
