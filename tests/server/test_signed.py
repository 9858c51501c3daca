"""A server with a key: what it serves carries content credentials that name the key's holder."""

import base64
import io
import zipfile

import httpx

from radsmith.images.pictures import record_in
from radsmith.marks import credentials
from radsmith.marks.keys import load_public, make_key
from tests.server.conftest import Studio


def state_of(data, public):
    found = credentials.read(data, None, public)
    return found and found.state


def test_every_way_to_a_png_is_signed_and_others_are_said_not_to_be(serve, tmp_path):
    make_key(tmp_path / "clinic.key", "Clinic")
    public = load_public(tmp_path / "clinic.pub")
    server = serve("--sign", tmp_path / "clinic.key")
    studio = Studio(server.url)
    ask = {"prompt": "chest x-ray", "seed": 3, "steps": 1}
    batch = studio.wait(studio.generate(**ask))
    image = batch["jobs"][0]["image"]["id"]
    files = {
        form: studio.http.get(f"/studio/images/{image}/file/{form}").content
        for form in ("png", "png16", "jpeg", "dicom")
    }
    assert [state_of(files[form], public) for form in ("png", "png16")] == ["trusted"] * 2
    assert state_of(files["jpeg"], public) is None
    assert record_in(files["png"], tmp_path / "a.png").seed == 3
    answer = httpx.post(
        f"{server.url}/v1/images/generations",
        json={**ask, "response_format": "b64_json", "output_format": "png"},
        timeout=120,
    ).json()
    assert state_of(base64.b64decode(answer["data"][0]["b64_json"]), public) == "trusted"
    packed = studio.http.get(f"/studio/batches/{batch['id']}/zip").content
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".png") and n[0].isdigit())
        assert state_of(archive.read(name), public) == "trusted"
    other = make_key(tmp_path / "other.key", "Other").public
    assert state_of(files["png"], other) == "valid"
