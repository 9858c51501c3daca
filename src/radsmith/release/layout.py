"""Names of a bundle's files, for those who write it and those who check it."""

from __future__ import annotations

SIGNATURE, PUBLIC_KEY, FIRST_PAGE = "signature.dsse.json", "release.pub", "README.md"
"""At the top, beside what BagIt puts there."""
DESCRIPTION, SCORECARD = "release.json", "scorecard.json"
PROVENANCE, TABLE, METADATA = "provenance.jsonl", "images.csv", "metadata.jsonl"
REVIEW_LOG = "review-log.jsonl"
"""In `data/`; METADATA in each split's folder."""
