"""A bundle looked at by the one who receives it: offline, with the signer's key or fingerprint."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from radsmith.errors import InvalidInput, RadsmithError
from radsmith.release.contents import Contents, check_contents, read_contents
from radsmith.release.integrity import Finding, Trust, check_integrity
from radsmith.release.withdrawal import list_path, read_list

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class VerifyRequest:
    """What to look at. sample: images to draw again, with `choice` (of `engines.choice`).

    seed: of the sample; None takes another one each time, so that no sender can foresee it.
    withdrawn: a list; None looks beside the bundle.
    """

    bundle: Path
    trust: Trust
    sample: int = 3
    seed: int | None = None
    choice: Path | str | None = None
    withdrawn: Path | None = None


@dataclass
class Verdict:
    """findings: what is wrong.  warnings: what to know.  checked, unchecked: what was looked at."""

    findings: list[Finding] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    said: Mapping[str, Any] = field(default_factory=dict)
    signer: str = ""
    fingerprint: str = ""

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def verify(request: VerifyRequest, tell: Tell = lambda _: None) -> Verdict:
    """Check a bundle. Raises NotFound or InvalidInput where there is none to check."""
    tell("hashing files")
    found = check_integrity(request.bundle, request.trust)
    verdict = Verdict(findings=list(found.findings), said=found.said)
    if found.key is not None:
        verdict.signer, verdict.fingerprint = found.key.signer, found.key.fingerprint
    verdict.checked.append(f"{len(found.files) + 1:,} files against the signature")
    if verdict.findings:
        verdict.unchecked.append("what the files say: they are not as they were signed")
        return verdict
    tell("reading records")
    try:
        contents = read_contents(request.bundle, found)
        verdict.findings += check_contents(contents)
        verdict.checked.append(
            f"records, splits, counts, DICOM rules and shards of {len(contents.pictures):,} images"
        )
        _withdrawn(request, contents, verdict, found.key)
        if not verdict.findings:
            tell("drawing a sample again")
            _draw_again(request, contents, verdict)
            _credentials(request, contents, verdict, found.key)
    except InvalidInput as error:
        verdict.findings.append(Finding(kind="record", path="", text=str(error)))
    verdict.warnings += [f"waived: {text}" for text in found.said.get("waived", ())]
    verdict.warnings += found.said.get("remarks", ())
    if not request.trust.known:
        verdict.warnings.append(
            f"whose bundle this is was not checked: ask the signer for the fingerprint, and compare"
            f" it with {verdict.fingerprint}"
        )
    return verdict


def _withdrawn(request: VerifyRequest, contents: Contents, verdict: Verdict, key: Any) -> None:
    path = request.withdrawn or list_path(request.bundle)
    if request.withdrawn is None and not path.exists():
        verdict.unchecked.append(f"withdrawals: no list {path.name} lies beside the bundle")
        return
    try:
        said = read_list(path, key)
    except InvalidInput as error:
        verdict.findings.append(Finding(kind="signature", path=path.name, text=str(error)))
        return
    verdict.checked.append(f"a list of {len(said.files):,} withdrawn files")
    for name, digest in sorted(said.files.items()):
        if contents.files.get(name.removeprefix("data/")) == digest:
            why = said.reasons.get(name, {})
            verdict.warnings.append(
                f"withdrawn: {name} ({why.get('withdrawn', '')[:10]}): {why.get('reason', '')}"
            )


def _sample(request: VerifyRequest, contents: Contents) -> dict[str, Mapping[str, Any]]:
    """Lines of images that can be drawn again; edits need their source."""
    made = [n for n, li in contents.lines.items() if li["record"]["operation"] == "generate"]
    chance = random.Random(request.seed)
    names = chance.sample(sorted(made), min(request.sample, len(made)))
    return {name: contents.lines[name] for name in sorted(names)}


def _draw_again(request: VerifyRequest, contents: Contents, verdict: Verdict) -> None:
    lines = _sample(request, contents)
    if not lines:
        why = "not asked for" if request.sample == 0 else "none was generated from a seed alone"
        verdict.unchecked.append(f"whether images can be drawn again: {why}")
        return
    from radsmith.engines.choice import load_engine
    from radsmith.images.pictures import read_picture
    from radsmith.release.drawing_again import drawn_again

    try:
        engine = load_engine(request.choice)
    except RadsmithError as error:
        verdict.unchecked.append(f"whether images can be drawn again: {error}")
        return
    same = 0
    for again in drawn_again(lines, engine, lambda name: read_picture(contents.data / name)):
        if again.reason:
            verdict.unchecked.append(f"data/{again.name}: {again.reason}")
        elif again.same:
            same += 1
        else:
            text = f"its record draws another image, {again.apart:.0f} of 255 levels apart"
            verdict.findings.append(
                Finding(kind="drawn otherwise", path=f"data/{again.name}", text=text)
            )
    if same:
        verdict.checked.append(f"{same} images drawn again from their seeds: the same")


def _credentials(request: VerifyRequest, contents: Contents, verdict: Verdict, key: Any) -> None:
    """Content credentials of the sample; the hashes above vouch for the rest."""
    if "C2PA" not in contents.said.get("marks", ()):
        return
    from radsmith.errors import Unavailable
    from radsmith.marks import credentials

    good = 0
    for name in _sample(request, contents):
        try:
            found = credentials.read((contents.data / name).read_bytes(), None, key)
        except Unavailable as error:
            verdict.unchecked.append(f"content credentials: {error}")
            return
        good += found is not None and found.state == "trusted"
        if found is None or found.state != "trusted":
            text = "its content credentials are not the signer's"
            verdict.findings.append(Finding(kind="record", path=f"data/{name}", text=text))
    if good:
        verdict.checked.append(f"content credentials of {good} images")
