"""What a study let in: the images that experts accepted, each checked to be the one read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radsmith.errors import InvalidInput, NotFound
from radsmith.files import read_bytes
from radsmith.review.study import read_study
from radsmith.review.verdicts import RULES


@dataclass(frozen=True, kw_only=True)
class AcceptedImage:
    """path: the file.  sha256: of its bytes, the same as when it was read.  reads: first looks."""

    path: Path
    sha256: str
    verdict: str
    reads: int


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """What was accepted of a study, with the hash of its log's head at that time."""

    study: str
    rule: str
    log_head: str
    images: tuple[AcceptedImage, ...]
    rejected: int
    undecided: int
    readers: tuple[str, ...] = ()
    simulated: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "study": self.study,
            "rule": self.rule,
            "log_head": self.log_head,
            "images": [
                {
                    "file": str(image.path),
                    "sha256": image.sha256,
                    "verdict": image.verdict,
                    "reads": image.reads,
                }
                for image in self.images
            ],
            "rejected": self.rejected,
            "undecided": self.undecided,
            "simulated_readers": list(self.simulated),
        }


def accepted(study: Path, rule: str = "majority") -> Accepted:
    """The accepted images of the study in this folder; controls and planted images never are.

    Raises InvalidInput for an unknown rule, a broken log, or a file that was changed since it was
    read; NotFound where the study or an accepted file is gone.
    """
    if rule not in RULES:
        raise InvalidInput(f"no rule {rule!r}: there are {', '.join(RULES)}")
    opened, state, head = read_study(study)
    images, counts = [], {"accept": 0, "reject": 0, "undecided": 0}
    for case in opened.synthetic:
        outcome = state.outcome(case.id, rule)
        counts[outcome] += 1
        if outcome == "accept":
            path = opened.path_of(case)
            _check(path, case.sha256)
            reads = len(state.of_case(case.id))
            images.append(
                AcceptedImage(path=path, sha256=case.sha256, verdict="accept", reads=reads)
            )
    return Accepted(
        study=opened.name,
        rule=rule,
        log_head=head,
        images=tuple(sorted(images, key=lambda image: image.path)),
        rejected=counts["reject"],
        undecided=counts["undecided"],
        readers=opened.readers,
        simulated=opened.simulated,
    )


def _check(path: Path, sha256: str) -> None:
    try:
        data = read_bytes(path)
    except NotFound as error:
        raise NotFound(f"{path} was accepted and is gone: put it back where it was read") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise InvalidInput(
            f"{path} was changed since it was read: put the image back that was accepted"
        )
