"""A bundle's DICOM objects to an archive: C-STORE, or STOW-RS of DICOMweb (PS3.18 10.5).

    pacs:CALLED@host:4242?aet=RADSMITH
    dicomweb:http://host:8042/dicom-web

Every answer goes into a report, a line each, before the next object is sent; what a report says is
stored is not sent again. Withdrawn images are not sent at all.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

import pydicom
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from radsmith.errors import InvalidInput, Unavailable
from radsmith.files import read_bytes
from radsmith.release.dicom_rules import problems_of
from radsmith.release.integrity import Trust, check_integrity
from radsmith.release.withdrawal import list_path, read_list

SUFFIX = ".delivered.jsonl"
_SECONDS = 60
_TRIES = 3
_STORED = "stored"
_HEAD = b'{"code": "'  # how every line of a report begins
_TITLE = 16  # characters of an AE title, PS3.5 6.2
_ADDRESSES = "dicomweb:http://host/path or pacs:CALLED@host:port?aet=OURS"
Answer = tuple[str, str]
"""Status code as the archive gives it, and what it says; "" for no answer at all."""
Send = Callable[[pydicom.Dataset], Answer]
Tell = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What came of it. refused: file to what the archive said.  withdrawn: files held back."""

    sent: int
    before: int
    refused: dict[str, str]
    withdrawn: int
    report: Path


def report_path(bundle: Path) -> Path:
    """Where the report of a bundle's deliveries lies: beside it."""
    return bundle.resolve().with_name(bundle.resolve().name + SUFFIX)


def deliver(
    bundle: Path, to: str, report: Path, now: Callable[[], str], tell: Tell = lambda *_: None
) -> Delivery:
    """Send every DICOM object that is not there yet. now: the time, ISO 8601.

    Raises InvalidInput where the bundle does not hold, has no DICOM or `to` is no archive, and
    Unavailable where the archive stops answering: the same command goes on from there.
    """
    _place(to)
    names, digests, withdrawn = _objects(bundle)
    done = _stored(report, to)
    left = [n for n in names if done.get(n) != digests[n]]
    refused: dict[str, str] = {}
    sent = 0
    with report.open("a", encoding="utf-8") as file, _archive(to, bundle, left) as send:
        for number, name in enumerate(left):
            tell(number, len(left))
            dataset = _checked(bundle / name)
            code, said = _answer(send, dataset, to)
            stored = code.startswith(("0000", "B", "200"))
            line = {
                "file": name,
                "sha256": digests[name],
                "sop_instance_uid": str(dataset.SOPInstanceUID),
                "to": _without_password(to),
                "status": _STORED if stored else "refused",
                "code": code,
                "said": said,
                "time": now(),
            }
            file.write(json.dumps(line, sort_keys=True, ensure_ascii=False) + "\n")
            file.flush()
            sent += stored
            if not stored:
                refused[name] = f"{code} {said}".strip()
    return Delivery(
        sent=sent,
        before=len(names) - len(left),
        refused=refused,
        withdrawn=withdrawn,
        report=report,
    )


def _objects(bundle: Path) -> tuple[list[str], dict[str, str], int]:
    """DICOM files to send with their SHA-256, and how many are withdrawn."""
    found = check_integrity(bundle, Trust())
    if found.findings or found.key is None:
        why = found.findings[0] if found.findings else "it is not signed"
        raise InvalidInput(f"{bundle} is not as it was signed ({why}); nothing was sent")
    digests = dict(found.files)
    every = [n for n in digests if n.startswith("data/dicom/") and n.endswith(".dcm")]
    if not every:
        raise InvalidInput(f"{bundle} holds no DICOM; release it with --format dicom")
    path = list_path(bundle)
    recalled = read_list(path, found.key).files if path.exists() else {}
    names = sorted(n for n in every if recalled.get(n) != digests[n])
    return names, digests, len(every) - len(names)


def _checked(path: Path) -> pydicom.Dataset:
    dataset = pydicom.dcmread(path)
    wrong = problems_of(dataset)
    if wrong:
        raise InvalidInput(f"{path.name} does not leave: {wrong[0]}")
    return dataset


def _stored(report: Path, to: str) -> dict[str, str]:
    """File to SHA-256 of what a report says is stored there. A torn line says nothing.

    Raises InvalidInput for a file that is something else, so that nothing is written into it.
    """
    if not report.exists():
        return {}
    data = read_bytes(report)
    if not _HEAD.startswith(data[: len(_HEAD)]):
        raise InvalidInput(f"{report} is no report of a delivery: name another with --report")
    found: dict[str, str] = {}
    for line in data.split(b"\n"):
        try:
            said = json.loads(line)
            if said["status"] == _STORED and said["to"] == _without_password(to):
                found[said["file"]] = said["sha256"]
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    return found


def _answer(send: Send, dataset: pydicom.Dataset, to: str) -> Answer:
    """What the archive says; an archive that is silent is asked again."""
    for _ in range(_TRIES):
        code, said = send(dataset)
        if code:
            return code, said
    raise Unavailable(
        f"{_without_password(to)} stopped answering ({said or 'no status'}); what was sent is in"
        " the report: run the same command again to go on"
    )


@contextmanager
def _archive(to: str, bundle: Path, names: Sequence[str]) -> Iterator[Send]:
    place = _place(to)
    if place.scheme:
        yield _web(to.partition(":")[2])
    else:
        with _dimse(place, bundle, names) as send:
            yield send


def _place(to: str) -> SplitResult:
    """The archive's address; of a PACS it has no scheme. Raises InvalidInput."""
    kind, _, rest = to.partition(":")
    named = _without_password(to)
    try:
        place = urlsplit(f"//{rest}" if kind == "pacs" else rest)
        port = place.port
    except ValueError as error:
        raise InvalidInput(
            f"{named!r} names no archive ({error}): expected {_ADDRESSES}"
        ) from error
    web = kind == "dicomweb" and place.scheme in ("http", "https")
    pacs = kind == "pacs" and place.username and port
    if not place.hostname or not (web or pacs):
        raise InvalidInput(f"{named!r} names no archive: expected {_ADDRESSES}")
    titles = (place.username or "", _own_title(place)) if pacs else ()
    if any(not 0 < len(title.strip()) <= _TITLE for title in titles):
        raise InvalidInput(f"{named!r}: an AE title has 1-{_TITLE} characters")
    return place


def _own_title(place: SplitResult) -> str:
    return dict(parse_qsl(place.query, keep_blank_values=True)).get("aet", "RADSMITH")


def _web(url: str) -> Send:
    try:
        import requests
        from dicomweb_client.api import DICOMwebClient
    except ImportError as error:
        raise Unavailable(f"DICOMweb needs {error.name}: pip install radsmith[import]") from error
    client = DICOMwebClient(url, timeout=_SECONDS)
    client.set_http_retry_params(max_attempts=1)

    def send(dataset: pydicom.Dataset) -> Answer:
        try:
            said = client.store_instances([dataset])
        except requests.exceptions.HTTPError as error:
            response = error.response
            if response is not None and response.status_code < 500:
                return str(response.status_code), response.reason
            return "", str(error)
        except (requests.exceptions.RequestException, OSError, ValueError) as error:
            return "", str(error)
        failed = said.get("FailedSOPSequence") or []
        if failed:
            return f"{int(failed[0].get('FailureReason', 0)):04X}", "Failed SOP Sequence"
        return "200", ""

    return send


@contextmanager
def _dimse(place: SplitResult, bundle: Path, names: Sequence[str]) -> Iterator[Send]:
    """One association for all, opened again where it broke."""
    try:
        from pynetdicom import AE
    except ImportError as error:
        raise Unavailable(f"a PACS needs {error.name}: pip install radsmith[import]") from error
    entity = AE(ae_title=_own_title(place))
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _SECONDS
    for uid in sorted(_classes(bundle, names)):
        entity.add_requested_context(uid, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    called, host, port = str(place.username), str(place.hostname), int(place.port or 104)
    held: list[Any] = []

    def send(dataset: pydicom.Dataset) -> Answer:
        if not held or not held[-1].is_established:
            held.append(entity.associate(host, port, ae_title=called))
        if not held[-1].is_established:
            return "", f"{called} at {host}:{port} refused the association"
        try:
            status = held[-1].send_c_store(dataset)
        except ValueError as error:  # no context for its class
            return "0122", str(error)
        except RuntimeError as error:  # the association broke meanwhile
            return "", str(error)
        if "Status" not in status:
            return "", "the association broke"
        return f"{status.Status:04X}", str(status.get("ErrorComment", ""))

    try:
        yield send
    finally:
        for association in held:
            if association.is_established:
                association.release()


def _classes(bundle: Path, names: Sequence[str]) -> set[str]:
    found = set()
    for name in names:
        head = (bundle / name).read_bytes()
        dataset = pydicom.dcmread(io.BytesIO(head), specific_tags=["SOPClassUID"])
        found.add(str(dataset.SOPClassUID))
    return found


def _without_password(to: str) -> str:
    head, found, tail = to.rpartition("@")
    return f"{head.split('//')[0]}//…@{tail}" if found and "//" in head else to
