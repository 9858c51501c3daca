"""Fetching studies from an archive into a private folder: DICOMweb, or C-FIND and C-MOVE.

    dicomweb:http://host:8042/dicom-web?PatientID=…&StudyDate=20240101-20241231
    pacs:CALLED@host:4242?aet=RADSMITH&port=11112&ModalitiesInStudy=CT

Study by study; what was fetched whole is not fetched again. Passwords: ~/.netrc, or in the URL.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset, FileMetaDataset

from radsmith.errors import InvalidInput, NotFound, Unavailable
from radsmith.files import write_atomically
from radsmith.images.dicom.opening import part_10_bytes

SCHEMES = ("dicomweb:", "pacs:")
_ANSWER = (0xFF00, 0xFF01)
_SECONDS = 60
Progress = Callable[[str, int, int], None]


def is_remote(source: str) -> bool:
    """Whether a source names an archive rather than a folder."""
    return source.startswith(SCHEMES)


def fetch(source: str, folder: Path, progress: Progress) -> int:
    """Bring every study that the source's filters find into `folder`; returns how many studies.

    Raises InvalidInput for a source that is not as above, NotFound where no study is found and
    Unavailable where the archive does not answer or refuses.
    """
    scheme, _, rest = source.partition(":")
    place = urlsplit(rest if scheme == "dicomweb" else f"//{rest}")
    settings = dict(parse_qsl(place.query))
    own: dict[str, str] = {k: settings.pop(k) for k in ("aet", "port") if k in settings}
    for keyword in settings:
        if tag_for_keyword(keyword) is None:
            raise InvalidInput(f"“{keyword}” is no DICOM keyword; expected such as StudyDate")
    if not place.hostname:
        raise InvalidInput(f"{source} names no host: expected {scheme}:…host:port")
    if scheme == "dicomweb":
        url = urlunsplit((place.scheme, place.netloc, place.path, "", ""))
        studies = _over_web(url, settings, folder, progress)
    else:
        studies = _over_dimse(place, settings, own, folder, progress)
    if not studies:
        raise NotFound(f"{_without_password(source)} holds no study that fits")
    return studies


def _over_web(url: str, filters: dict[str, str], folder: Path, progress: Progress) -> int:
    try:
        from dicomweb_client.api import DICOMwebClient
        from requests.exceptions import RequestException
    except ImportError as error:
        raise Unavailable(f"DICOMweb needs {error.name}: pip install radsmith[import]") from error
    client = DICOMwebClient(url, timeout=_SECONDS)
    client.set_http_retry_params(max_attempts=3, wait_exponential_multiplier=200)
    try:
        found = client.search_for_studies(search_filters=filters, get_remaining=True)
        uids = [str(study["0020000D"]["Value"][0]) for study in found]
        for number, uid in enumerate(uids):
            progress("fetching", number, len(uids))
            with _study(folder, uid) as place:
                if place is not None:
                    for dataset in client.iter_study(uid):
                        _keep(place, dataset, dataset.file_meta)
    except (RequestException, OSError, KeyError, ValueError) as error:
        raise Unavailable(f"the archive at {_without_password(url)} failed: {error}") from error
    return len(uids)


def _over_dimse(
    place: Any, filters: dict[str, str], own: dict[str, str], folder: Path, progress: Progress
) -> int:
    """C-FIND at study level, then a C-MOVE of each study to a storage of our own."""
    try:
        from pynetdicom import AE, AllStoragePresentationContexts, evt
        from pynetdicom.sop_class import (  # type: ignore[attr-defined]
            StudyRootQueryRetrieveInformationModelFind,
            StudyRootQueryRetrieveInformationModelMove,
        )
    except ImportError as error:
        raise Unavailable(f"a PACS needs {error.name}: pip install radsmith[import]") from error
    if not place.username or not place.port:
        raise InvalidInput(
            "a PACS is named pacs:CALLED@host:port?aet=OURS&port=OUR-PORT, got"
            f" pacs:{place.netloc[:80]}"
        )
    entity = AE(ae_title=own.get("aet", "RADSMITH"))
    find, move = (
        StudyRootQueryRetrieveInformationModelFind,
        StudyRootQueryRetrieveInformationModelMove,
    )
    entity.add_requested_context(find)
    entity.add_requested_context(move)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _SECONDS
    storage = AE(ae_title=entity.ae_title)
    for context in AllStoragePresentationContexts:
        storage.add_supported_context(str(context.abstract_syntax), _all_syntaxes())
    store = _Store()
    server = storage.start_server(
        ("", int(own.get("port", "11112"))), block=False, evt_handlers=[(evt.EVT_C_STORE, store)]
    )
    association = entity.associate(place.hostname, place.port, ae_title=place.username)
    try:
        if not association.is_established:
            raise Unavailable(f"{place.username} at {place.hostname}:{place.port} refused us")
        answers = list(association.send_c_find(_query(filters), find))
        last = answers[-1][0] if answers else None
        if not last or last.Status != 0:
            code = f"{last.Status:04X}" if last else "none"
            raise Unavailable(
                f"C-FIND ended with status {code}: does the archive know {entity.ae_title}?"
            )
        uids = [str(i.StudyInstanceUID) for s, i in answers if s and s.Status in _ANSWER and i]
        for number, uid in enumerate(uids):
            progress("fetching", number, len(uids))
            with _study(folder, uid) as study:
                if study is not None:
                    _move(association, uid, move, store.into(study), entity.ae_title)
        return len(uids)
    finally:
        association.release()
        if server is not None:
            server.shutdown()


def _move(association: Any, uid: str, model: Any, store: _Store, title: str) -> None:
    wanted = Dataset()
    wanted.QueryRetrieveLevel, wanted.StudyInstanceUID = "STUDY", uid
    status = None
    for status, _ in association.send_c_move(wanted, title, model):  # noqa: B007
        pass
    if not status or status.Status != 0 or status.get("NumberOfFailedSuboperations", 0):
        code = f"{status.Status:04X}" if status else "none"
        raise Unavailable(
            f"C-MOVE ended with status {code}: does the archive know {title} at our address?"
        )
    if store.failed:
        raise Unavailable(f"an object could not be stored: {store.failed}")


class _Store:
    """Keeps what a C-STORE brings; called on pynetdicom's threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folder: Path | None = None
        self.failed = ""

    def into(self, folder: Path) -> _Store:
        """From now on keep objects in this folder."""
        with self._lock:
            self._folder, self.failed = folder, ""
        return self

    def __call__(self, event: Any) -> int:
        """The handler of one C-STORE; returns its status."""
        with self._lock:
            try:
                if self._folder is None:
                    return 0xA700
                _keep(self._folder, event.dataset, event.file_meta)
            except Exception as error:  # what a peer sends may break pydicom in any way
                self.failed = str(error)
                return 0xC001
        return 0x0000


def _query(filters: dict[str, str]) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", ""
    for keyword, value in filters.items():
        setattr(query, keyword, value)
    return query


def _all_syntaxes() -> list[str]:
    from pynetdicom import ALL_TRANSFER_SYNTAXES

    return [str(syntax) for syntax in ALL_TRANSFER_SYNTAXES]


@contextmanager
def _study(folder: Path, uid: str) -> Iterator[Path | None]:
    """A folder to fetch a study into; None where it was fetched whole before."""
    name = hashlib.sha256(uid.encode()).hexdigest()[:32]
    done, place = folder / f"{name}.done", folder / name
    if done.exists():
        yield None
        return
    place.mkdir(parents=True, exist_ok=True)
    yield place
    done.touch()


def _keep(place: Path, dataset: Dataset, meta: FileMetaDataset) -> None:
    """Write an object under a hash of its UID: what an archive sends names no file of ours."""
    name = hashlib.sha256(str(dataset.get("SOPInstanceUID", "")).encode()).hexdigest()[:32]
    write_atomically(place / f"{name}.dcm", part_10_bytes(dataset, meta))


def _without_password(source: str) -> str:
    head, found, tail = source.rpartition("@")
    return f"{head.split('//')[0]}//…@{tail}" if found and "//" in head else source
