"""Fetching from a real Orthanc, over DICOMweb and by C-FIND and C-MOVE; skipped where it is not
installed (Debian: orthanc, orthanc-dicomweb)."""

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from radsmith.datasets.remote import fetch
from radsmith.datasets.run import ImportRequest, run_import
from radsmith.errors import InvalidInput, NotFound, Unavailable
from tests.datasets.test_importing import options, rows_of, write_slices

ORTHANC = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
needs_orthanc = pytest.mark.skipif(
    not ORTHANC or not PLUGIN.exists(), reason="Orthanc with DICOMweb is not installed"
)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Ports (HTTP, DICOM, ours) of an Orthanc that holds two studies of four slices."""
    folder = tmp_path_factory.mktemp("orthanc")
    http, dicom, ours = free_port(), free_port(), free_port()
    config = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": http,
        "DicomPort": dicom,
        "DicomServerEnabled": True,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomModalities": {"ours": ["RADSMITH", "127.0.0.1", ours]},
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
        while not (answers(http) and answers(dicom)):
            assert process.poll() is None and time.monotonic() < limit, (folder / "log").read_text()
            time.sleep(0.05)
        for seed, patient in enumerate(("DoeJane", "RoeRichard")):
            write_slices(folder / "source" / str(seed), 4, patient, seed=seed)
        for path in sorted((folder / "source").rglob("*.dcm")):
            url = f"http://127.0.0.1:{http}/instances"
            urllib.request.urlopen(urllib.request.Request(url, path.read_bytes())).close()
        yield http, dicom, ours
    finally:
        process.terminate()
        process.wait()


def imported(source, out):
    request = ImportRequest(
        sources=(),
        remote=(source,),
        out=out,
        options=options(slices=0, windows=("lung window",)),
        test_share=0.0,
    )
    run_import(request, lambda *_: None)
    return rows_of(out)


@needs_orthanc
def test_dicomweb(archive, tmp_path):
    http, _, _ = archive
    source = f"dicomweb:http://127.0.0.1:{http}/dicom-web"
    rows = imported(source, tmp_path / "out")
    assert len(rows) == 8 and len({r["patient_id"] for r in rows}) == 2
    assert len(imported(source + "?PatientID=MRN-DoeJane", tmp_path / "one")) == 4
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.parent.name in ("out", "one"):
            assert b"Doe" not in path.read_bytes()
    with pytest.raises(NotFound, match="no study"):
        fetch(source + "?PatientID=nobody", tmp_path / "f", lambda *_: None)


@needs_orthanc
def test_find_and_move(archive, tmp_path):
    _, dicom, ours = archive
    source = f"pacs:ORTHANC@127.0.0.1:{dicom}?aet=RADSMITH&port={ours}&PatientName=Roe*"
    rows = imported(source, tmp_path / "out")
    assert len(rows) == 4 and len({r["patient_id"] for r in rows}) == 1
    stranger = source.replace("aet=RADSMITH", "aet=STRANGER")
    with pytest.raises(Unavailable, match="STRANGER"):
        fetch(stranger, tmp_path / "f", lambda *_: None)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_is_no_archive_is_refused_in_words(tmp_path):
    with pytest.raises(InvalidInput, match="no DICOM keyword"):
        fetch("dicomweb:http://127.0.0.1:9/x?Colour=red", tmp_path, lambda *_: None)
    with pytest.raises(InvalidInput, match="CALLED@host"):
        fetch("pacs:127.0.0.1", tmp_path, lambda *_: None)
    with pytest.raises(Unavailable, match=r"…@127.0.0.1:9/x") as caught:
        fetch("dicomweb:http://user:word@127.0.0.1:9/x", tmp_path, lambda *_: None)
    assert "word" not in str(caught.value)
    port = free_port()
    with pytest.raises(Unavailable, match="refused"):
        fetch(f"pacs:X@127.0.0.1:{port}?port={free_port()}", tmp_path, lambda *_: None)
