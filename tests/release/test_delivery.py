"""Bundles to archives: a real Orthanc where it is installed, and small ones that misbehave."""

import email
import http.server
import io
import json
import socket
import subprocess
import threading
import time
import urllib.request
from typing import ClassVar

import pydicom
import pytest
from pynetdicom import AE, AllStoragePresentationContexts, evt

from radsmith.errors import InvalidInput, Unavailable
from radsmith.release import delivery
from radsmith.release.delivery import deliver
from radsmith.release.dicom_rules import problems_of
from radsmith.release.withdrawal import list_path, withdraw
from tests.datasets.test_importing_remote import (
    ORTHANC,
    PLUGIN,
    answers,
    free_port,
    needs_orthanc,
)
from tests.release.making import MADE, bundled

COUNT = 6
NOW = iter(f"2026-06-01T00:00:{n:02d}" for n in range(60)).__next__


@pytest.fixture
def bundle(images, tmp_path, key):
    bundled(images, tmp_path / "bundle", key, formats=("dicom",))
    return tmp_path / "bundle"


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory):
    """Ports (HTTP, DICOM) of an empty Orthanc."""
    folder = tmp_path_factory.mktemp("orthanc")
    http_port, dicom = free_port(), free_port()
    config = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": http_port,
        "DicomPort": dicom,
        "DicomServerEnabled": True,
        "DicomAlwaysAllowStore": True,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "orthanc.json").write_text(json.dumps(config))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [ORTHANC, str(folder / "orthanc.json")], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        limit = time.monotonic() + 60
        while not (answers(http_port) and answers(dicom)):
            assert process.poll() is None and time.monotonic() < limit, (folder / "log").read_text()
            time.sleep(0.05)
        yield http_port, dicom
    finally:
        process.terminate()
        process.wait()


def held_by(port):
    """Every object that an Orthanc holds."""

    def ask(path):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}") as answer:
            return answer.read()

    names = json.loads(ask("instances"))
    return [pydicom.dcmread(io.BytesIO(ask(f"instances/{name}/file"))) for name in names]


@needs_orthanc
@pytest.mark.parametrize("way", ["stow", "store"])
def test_orthanc_keeps_every_object_with_its_marks(orthanc, bundle, tmp_path, way):
    http_port, dicom = orthanc
    web = f"dicomweb:http://127.0.0.1:{http_port}/dicom-web"
    to = web if way == "stow" else f"pacs:ORTHANC@127.0.0.1:{dicom}"
    before = len(held_by(http_port))
    done = deliver(bundle, to, tmp_path / "report", NOW)
    assert (done.sent, done.before, done.refused) == (COUNT, 0, {})
    held = held_by(http_port)
    assert len(held) == before + COUNT
    paths = (bundle / "data/dicom").glob("*.dcm")
    sent = {str(pydicom.dcmread(p).SOPInstanceUID) for p in paths}
    mine = [dataset for dataset in held if dataset.SOPInstanceUID in sent]
    assert len(mine) == COUNT
    for dataset in mine:
        assert not problems_of(dataset), "the archive changed what a release may hold"
    again = deliver(bundle, to, tmp_path / "report", NOW)
    assert (again.sent, again.before) == (0, COUNT)
    assert len(held_by(http_port)) == before + COUNT


class Archive:
    """A storage SCP that gives these statuses in turn; None breaks the association."""

    def __init__(self, *statuses):
        self.statuses, self.kept = list(statuses), []
        entity = AE(ae_title="TEST")
        entity.supported_contexts = AllStoragePresentationContexts
        handlers = [(evt.EVT_C_STORE, self._keep)]
        self.server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.to = f"pacs:TEST@127.0.0.1:{self.server.server_address[1]}"

    def _keep(self, event):
        status = self.statuses.pop(0) if self.statuses else 0x0000
        if status is None:
            event.assoc.dul.socket.socket.shutdown(socket.SHUT_RDWR)  # as a cable that is pulled
            return 0xC000
        if status in (0x0000, 0xB000):
            self.kept.append(event.dataset.SOPInstanceUID)
        return status


@pytest.fixture
def archive():
    made = []

    def start(*statuses):
        made.append(Archive(*statuses))
        return made[-1]

    yield start
    for each in made:
        each.server.shutdown()


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_report_has_a_line_an_object(archive, bundle, tmp_path):
    pacs = archive(0x0000, 0xA700, 0xB000, 0xC001)
    done = deliver(bundle, pacs.to, tmp_path / "report", NOW)
    assert done.sent == COUNT - 2 and len(pacs.kept) == COUNT - 2
    assert sorted(r[:4] for r in done.refused.values()) == ["A700", "C001"]
    report = lines(tmp_path / "report")
    assert [line["status"] for line in report].count("refused") == 2
    for line in report:
        dataset = pydicom.dcmread(bundle / line["file"])
        assert line["sop_instance_uid"] == dataset.SOPInstanceUID and line["time"]
    again = deliver(bundle, pacs.to, tmp_path / "report", NOW)
    assert (again.sent, again.before) == (2, COUNT - 2)
    assert len(set(pacs.kept)) == COUNT == len(pacs.kept)


def test_a_broken_association_is_opened_again(archive, bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(delivery, "_SECONDS", 5)  # the library may miss that it was broken
    pacs = archive(0x0000, None)
    done = deliver(bundle, pacs.to, tmp_path / "report", NOW)
    assert done.sent == COUNT and len(set(pacs.kept)) == COUNT


@pytest.mark.slow
def test_what_was_sent_before_a_stop_is_not_sent_again(archive, bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(delivery, "_SECONDS", 2)  # to wait for an answer that does not come
    pacs = archive(0x0000, 0x0000, *[None] * 3)
    with pytest.raises(Unavailable, match="run the same command again"):
        deliver(bundle, pacs.to, tmp_path / "report", NOW)
    with (tmp_path / "report").open("a") as file:
        file.write('{"file": "torn')  # as a power cut leaves it
    done = deliver(bundle, pacs.to, tmp_path / "report", NOW)
    assert (done.sent, done.before) == (COUNT - 2, 2)
    assert len(pacs.kept) == COUNT == len(set(pacs.kept))
    other = archive()
    assert deliver(bundle, other.to, tmp_path / "report", NOW).sent == COUNT  # another archive


def test_withdrawn_and_changed_images_are_not_sent(archive, bundle, tmp_path, key):
    pacs = archive()
    name = sorted((bundle / "data/dicom").glob("*.dcm"))[0].stem
    withdraw(bundle, [name], "wrong", key, MADE, list_path(bundle))
    done = deliver(bundle, pacs.to, tmp_path / "report", NOW)
    assert (done.sent, done.withdrawn) == (COUNT - 1, 1)
    path = sorted((bundle / "data/dicom").glob("*.dcm"))[1]
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(InvalidInput, match="nothing was sent"):
        deliver(bundle, pacs.to, tmp_path / "other", NOW)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_is_no_archive_is_said(bundle, images, tmp_path, key):
    for to in ("http://x", "pacs:x", "pacs:A@host", "dicomweb:"):
        with pytest.raises(InvalidInput):
            deliver(bundle, to, tmp_path / "report", NOW)
    for to in (f"pacs:A@127.0.0.1:{free_port()}", f"dicomweb:http://127.0.0.1:{free_port()}/x"):
        with pytest.raises(Unavailable, match="stopped answering"):
            deliver(bundle, to, tmp_path / "report", NOW)
    bundled(images, tmp_path / "plain", key)
    with pytest.raises(InvalidInput, match="--format dicom"):
        deliver(tmp_path / "plain", "pacs:A@x:1", tmp_path / "report", NOW)


class Web(http.server.BaseHTTPRequestHandler):
    """STOW-RS as PS3.18 10.5 has it: keeps what comes, refuses the second object."""

    kept: ClassVar[list] = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        head = f"Content-Type: {self.headers['Content-Type']}\n\n".encode()
        (part,) = email.message_from_bytes(head + body).get_payload()
        dataset = pydicom.dcmread(io.BytesIO(part.get_payload(decode=True)))
        refused = len(self.kept) == 1 and dataset.SOPInstanceUID not in self.kept
        self.kept.append(dataset.SOPInstanceUID)
        self.send_response(409 if refused else 200)
        self.send_header("Content-Type", "application/dicom+json")
        self.end_headers()
        if not refused:
            self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


def test_stow_reports_what_is_refused(bundle, tmp_path):
    server = http.server.HTTPServer(("127.0.0.1", 0), Web)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        to = f"dicomweb:http://127.0.0.1:{server.server_address[1]}/dicom-web"
        done = deliver(bundle, to, tmp_path / "report", NOW)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert done.sent == COUNT - 1 and [r[:3] for r in done.refused.values()] == ["409"]
    assert len(Web.kept) == COUNT
