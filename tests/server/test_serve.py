"""`radsmith serve` as its users meet it: OpenAI's own client, kills, limits, keys."""

import base64
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from functools import partial
from urllib.parse import urlsplit

import httpx
import numpy as np
import openai
import pydicom
import pytest
from PIL import Image as Picture

from radsmith.engines.model_files import load_engine
from radsmith.generation.plan import make, plan
from radsmith.images.image import quantize
from radsmith.images.provenance import Generation, Request, Settings
from tests.common import run_command
from tests.server.conftest import Studio

CHEST = "chest x-ray, PA view, adult, normal"
FAST = {"steps": 1, "seed": 7}


def picture(item):
    return Picture.open(io.BytesIO(base64.b64decode(item.b64_json)))


def test_the_client_gets_the_pixels_that_generate_makes(client):
    answer = client.images.generate(
        prompt=CHEST, n=2, response_format="b64_json", extra_body={**FAST, "format": "png16"}
    )
    assert answer.size and len(answer.data) == 2
    engine = load_engine()
    settings = Settings(num_steps=1)
    for seed, item in zip((7, 8), answer.data, strict=True):
        request = Request(prompt=CHEST, seed=seed, settings=settings)
        image, record = make(engine, plan(CHEST, engine.facts), request, "now")
        shown = picture(item)
        assert np.array_equal(np.asarray(shown), quantize(image.pixels, 16))
        inside = Generation.from_json(shown.info["radsmith"])
        assert inside.pixels_sha256 == record.pixels_sha256
        assert item.revised_prompt == CHEST
        assert item.radsmith["seed"] == seed and item.radsmith["synthetic"] is True


def test_addresses_are_signed_and_end(client, server):
    url = client.images.generate(prompt=CHEST, extra_body=FAST).data[0].url
    assert httpx.get(url).headers["content-type"] == "image/png"
    for wrong in (
        url.replace("ends=1", "ends=2"),
        url[:-1] + ("A" if url[-1] != "A" else "B"),
        url.replace("png.png", "dicom.dcm"),
        url.partition("?")[0] + "?ends=1&signature=é",
    ):
        answer = httpx.get(wrong)
        assert answer.status_code == 403, wrong
        assert answer.json()["error"]["code"] == "bad_signature"


def test_dicom_is_the_same_instance_each_time(client):
    extra = {**FAST, "format": "dicom"}
    url = client.images.generate(prompt=CHEST, extra_body=extra).data[0].url
    first, second = httpx.get(url), httpx.get(url)
    assert first.content == second.content
    assert first.headers["content-type"] == "application/dicom"
    file = pydicom.dcmread(io.BytesIO(first.content))
    assert file.Modality == "DX" and file[0x0008, 0x001C].value == "YES"


@pytest.mark.parametrize("side", [256, 384, 512, 1024])
def test_larger_sizes_say_what_the_model_never_saw(client, side):
    answer = client.images.generate(
        prompt="axial brain mri, T1",
        size=f"{side}x{side}",
        response_format="b64_json",
        extra_body=FAST,
    )
    assert picture(answer.data[0]).size == (side, side)
    record = answer.data[0].radsmith
    told = [w for w in record["warnings"] if "images of 384 pixels" in w]
    assert bool(told) == (side > 384)
    assert (record["width"], record["height"]) == (side, side)


def test_a_stream_holds_every_image(client):
    with client.images.generate(prompt=CHEST, n=2, stream=True, extra_body=FAST) as stream:
        events = list(stream)
    assert [e.type for e in events] == ["image_generation.completed"] * 2
    assert len({e.b64_json for e in events}) == 2


def test_models_are_listed(client):
    assert {"radsmith-default", "dall-e-2"} <= {m.id for m in client.models.list()}
    assert client.models.retrieve("radsmith-default").owned_by == "radsmith"
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.models.retrieve("sdxl")


@pytest.mark.parametrize(
    ("asked", "param", "code"),
    [
        ({"prompt": ""}, "prompt", "invalid_value"),
        ({"prompt": "blorp"}, "prompt", "invalid_prompt"),
        ({"prompt": "knee x-ray\0"}, "prompt", "invalid_value"),
        ({"prompt": "x" * 5000}, "prompt", "invalid_value"),
        ({"prompt": CHEST, "n": 0}, "n", "invalid_value"),
        ({"prompt": CHEST, "n": 11}, "n", "invalid_value"),
        ({"prompt": CHEST, "size": "2x2"}, "size", "invalid_value"),
        ({"prompt": CHEST, "response_format": "jpg"}, "response_format", "invalid_value"),
        ({"prompt": CHEST, "background": "blue"}, "background", "invalid_value"),
        ({"prompt": CHEST, "output_format": "tiff"}, "output_format", "invalid_value"),
        ({"prompt": CHEST, "size": "0x512"}, "size", "invalid_value"),
        ({"prompt": CHEST, "extra_body": {"seed": -1}}, "seed", "invalid_value"),
        ({"prompt": CHEST, "extra_body": {"seed": 2**63}}, "seed", "invalid_value"),
        ({"prompt": CHEST, "extra_body": {"seed": "7"}}, "seed", "invalid_value"),
        ({"prompt": CHEST, "extra_body": {"steps": 1000}}, "steps", "invalid_value"),
        ({"prompt": "hand x-ray", "extra_body": {"strict": True}}, "prompt", "invalid_prompt"),
    ],
)
def test_bad_requests_are_told_as_openai_tells_them(client, asked, param, code):
    with pytest.raises(openai.BadRequestError) as told:
        client.images.generate(**asked)
    body = told.value.body
    assert (body["type"], body["param"], body["code"]) == ("invalid_request_error", param, code)
    assert set(body) == {"message", "type", "param", "code"}


RAW = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost:1@evil\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: [\r\n\r\n",
    b"GET /%00%ff%fe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /static/..%2f..%2f..%2fetc%2fpasswd HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /static/../../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /files/..%2f/png.png?ends=1&signature=x HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /studio/history HTTP/1.1\r\nHost: localhost\r\nCookie: radsmith_session=a.b.c.d\r\n\r\n",
    b"POST /v1/images/generations HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    b"POST /v1/images/generations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n",
    b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"\x16\x03\x01\x00\xa5\x01\x00\x00",
    b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
]


@pytest.mark.parametrize("raw", RAW, ids=range(len(RAW)))
def test_malformed_requests_are_refused_without_a_traceback(server, raw):
    where = urlsplit(server.url)
    with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
        answer = b""
        try:
            connection.sendall(raw.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            while more := connection.recv(65536):
                answer += more
        except ConnectionError:  # closed before all was read, which may overtake the answer
            assert len(raw) > 65536
    assert len(raw) > 65536 or answer.split(b" ")[1][:1] == b"4", answer[:200]
    assert b"Traceback" not in answer and b"root:" not in answer


JSON = [
    (b"", 400),
    (b"{", 400),
    (b"[]", 400),
    (b"null", 400),
    (b'"text"', 400),
    (b"\xff\xfe", 400),
    (b'{"prompt": "\\ud800 chest x-ray"}', 400),
    (b'{"prompt": NaN}', 400),
    (b'{"prompt": "chest x-ray", "guidance": NaN}', 400),
    (b'{"prompt": "chest x-ray", "n": 1e400}', 400),
    (b'{"prompt": "chest x-ray", "user": "\\u0000"}', 400),
    (b"[" * 30000, 400),
    (b'{"prompt": "' + b"x" * 70000 + b'"}', 413),
]


@pytest.mark.parametrize(("body", "status"), JSON, ids=range(len(JSON)))
@pytest.mark.parametrize("chunked", [False, True])
def test_malformed_bodies_are_refused(server, body, status, chunked):
    content = iter([body]) if chunked else body
    answer = httpx.post(
        f"{server.url}/v1/images/generations",
        content=content,
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == status, answer.text
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_pages_of_other_sites_cannot_act_here(server):
    url = f"{server.url}/v1/images/generations"
    body = {"prompt": CHEST}
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example"},
    ):
        assert httpx.post(url, json=body, headers=headers).status_code == 403, headers
    as_form = httpx.post(url, content=b'{"prompt":"knee"}', headers={"Content-Type": "text/plain"})
    assert as_form.status_code == 400
    studio = Studio(server.url)
    right, studio.token = studio.token, "wrong"
    assert studio.post("/studio/generate", **body).status_code == 403
    for headers in ({"X-Radsmith-Request": right}, {"Cookie": "radsmith_session=local.9e9.x.y"}):
        bare = httpx.post(f"{server.url}/studio/generate", json=body, headers=headers)
        assert bare.status_code == 401
    studio.http.close()


def test_every_answer_is_hardened(server):
    for path in ("/", "/docs", "/nowhere", "/healthz", "/v1/models"):
        headers = httpx.get(server.url + path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_health_and_metrics(server, client):
    client.images.generate(prompt=CHEST, extra_body=FAST)
    assert httpx.get(f"{server.url}/healthz").json()["status"] == "ok"
    assert httpx.get(f"{server.url}/readyz").json()["workers"] == 1
    text = httpx.get(f"{server.url}/metrics").text
    assert 'radsmith_jobs{state="done"}' in text
    assert 'route="/v1/images/generations",status="200"' in text


def test_an_idempotency_key_gives_the_same_images(client):
    once = {"prompt": CHEST, "extra_body": {"steps": 1}}
    headers = {"Idempotency-Key": "abc"}
    first = client.images.generate(**once, extra_headers=headers)
    again = client.images.generate(**once, extra_headers=headers)
    assert first.radsmith["batch"] == again.radsmith["batch"]
    with pytest.raises(openai.BadRequestError, match="another request"):
        client.images.generate(prompt=CHEST, n=2, extra_headers=headers)


def counted(studio):
    """Jobs by state, and how often each (prompt, seed) has an image."""
    batches = studio.history()
    jobs = [(view["prompt"], job) for view in batches for job in view["jobs"]]
    states = Counter(job["state"] for _, job in jobs)
    made = Counter((prompt, job["image"]["record"]["seed"]) for prompt, job in jobs if job["image"])
    return states, made


def queue_twenty(studio):
    batches = []
    for prompt, seed in ((CHEST, 0), ("knee x-ray", 100)):
        batches.append(studio.generate(prompt=prompt, n=10, seed=seed, steps=1))
    return batches


def wait_for(condition):
    """Poll for at most two minutes, after a while within the server's limit of requests."""
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        assert waited < 120, "it did not come about"
        time.sleep(0.02 if waited < 4 else 0.2)


def started(studio):
    return counted(studio)[0]["done"] >= 2


def test_a_killed_worker_loses_and_doubles_nothing(serve, db):
    server = serve(db=db)
    studio = Studio(server.url)
    batches = queue_twenty(studio)
    for _ in range(2):
        before = counted(studio)[0]["done"]
        wait_for(lambda seen=before: counted(studio)[0]["done"] > seen and server.workers())
        os.kill(server.workers()[0], signal.SIGKILL)
    for batch in batches:
        studio.wait(batch)
    states, made = counted(studio)
    assert states == {"done": 20}
    assert len(made) == 20 and set(made.values()) == {1}


def test_a_killed_server_loses_and_doubles_nothing(serve, db):
    server = serve(db=db)
    studio = Studio(server.url)
    batches = queue_twenty(studio)
    wait_for(lambda: started(studio))
    done_before = [j["image"]["id"] for v in studio.history() for j in v["jobs"] if j["image"]]
    assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    again = serve(db=db)
    studio = Studio(again.url)
    for batch in batches:
        studio.wait(batch)
    states, made = counted(studio)
    assert states == {"done": 20}
    assert len(made) == 20 and set(made.values()) == {1}
    kept = {j["image"]["id"] for v in studio.history() for j in v["jobs"]}
    assert set(done_before) <= kept


def test_a_stop_finishes_what_is_at_work_and_keeps_the_rest(serve):
    server = serve()
    studio = Studio(server.url)
    batches = queue_twenty(studio)
    wait_for(lambda: started(studio))
    assert server.stop(signal.SIGTERM) == 0
    assert "Traceback" not in server.log.read_text()
    studio = Studio(serve().url)
    for batch in batches:
        studio.wait(batch)
    states, made = counted(studio)
    assert states == {"done": 20} and set(made.values()) == {1}


def test_a_waiting_client_is_told_that_the_server_stops(serve):
    server = serve()
    told = []

    def ask():
        body = {"prompt": CHEST, "n": 10, "steps": 60}
        told.append(httpx.post(f"{server.url}/v1/images/generations", json=body, timeout=120))

    waiting = threading.Thread(target=ask)
    waiting.start()
    studio = Studio(server.url)
    wait_for(lambda: counted(studio)[0]["running"])
    studio.http.close()
    assert server.stop() == 0
    waiting.join()
    assert told[0].status_code == 503 and "Retry-After" in told[0].headers
    assert "kept" in told[0].json()["error"]["message"]


def test_when_the_client_goes_away_its_images_are_cancelled(serve):
    server = serve()
    studio = Studio(server.url)
    for stream in (False, True):
        where = urlsplit(server.url)
        body = json.dumps({"prompt": "chest x-ray", "n": 10, "steps": 100, "stream": stream})
        with socket.create_connection((where.hostname, where.port)) as connection:
            connection.sendall(
                b"POST /v1/images/generations HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                % (len(body), body.encode())
            )
            wait_for(lambda: counted(studio)[0]["running"])
        wait_for(lambda: not counted(studio)[0]["queued"] and not counted(studio)[0]["running"])
    assert counted(studio)[0]["cancelled"] >= 18
    batch = studio.generate(prompt=CHEST, steps=1)
    assert studio.wait(batch)["jobs"][0]["state"] == "done"


def test_a_batch_can_be_cancelled(serve):
    server = serve()
    studio = Studio(server.url)
    batch = studio.generate(prompt=CHEST, n=10, steps=100)
    wait_for(lambda: counted(studio)[0]["running"])
    view = studio.post(f"/studio/batches/{batch}/cancel").json()
    assert not view["open"]
    assert studio.post("/studio/batches/nothing/cancel").status_code == 404


def test_limits_say_when_to_ask_again(serve):
    server = serve("--queue", 3, "--per-key", 2, "--rate", 60, "--deadline", 1)
    url = f"{server.url}/v1/images/generations"
    mine = httpx.post(url, json={"prompt": CHEST, "n": 3})
    assert mine.status_code == 429 and int(mine.headers["Retry-After"]) >= 1
    assert mine.json()["error"]["code"] == "rate_limit_exceeded"
    late = httpx.post(url, json={"prompt": CHEST, "n": 2, "steps": 100, "guidance": 3}, timeout=60)
    assert late.status_code == 503 and "deadline" in late.json()["error"]["message"]
    answers = [httpx.get(f"{server.url}/v1/models") for _ in range(70)]
    refused = [a for a in answers if a.status_code == 429]
    assert refused and int(refused[0].headers["Retry-After"]) >= 1


@pytest.fixture
def run(monkeypatch, capsys):
    """Exit code, stdout and stderr of a command that ends by itself."""
    return partial(run_command, monkeypatch, capsys)


def test_keys_are_asked_for_and_listed(serve, run, tmp_path):
    data = ("--data", tmp_path / "data")
    code, _, said = run("serve", "--keys", *data)
    assert code == 2 and "radsmith key --add" in said
    key = run("key", "--add", "ward 7", *data)[1].strip()
    server = serve("--keys")
    listed = run("key", *data)[1]
    assert "ward 7" in listed and "in use" in listed and key not in listed
    good = openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0)
    url = good.images.generate(prompt=CHEST, extra_body=FAST).data[0].url
    assert httpx.get(url).status_code == 200
    bad = good.with_options(api_key=key + "x")
    with pytest.raises(openai.AuthenticationError) as told:
        bad.images.generate(prompt=CHEST)
    assert told.value.body["code"] == "invalid_api_key"
    assert httpx.get(f"{server.url}/v1/models").status_code == 401
    assert httpx.get(f"{server.url}/metrics").status_code == 401
    page = httpx.get(server.url)
    assert 'name="key"' in page.text and 'name="token"' not in page.text
    with httpx.Client(base_url=server.url, follow_redirects=True) as browser:
        assert browser.post("/login", data={"key": "wrong"}).status_code == 401
        assert 'name="token"' in browser.post("/login", data={"key": key}).text
        assert len(browser.get("/studio/history").json()["batches"]) == 1
        assert run("key", "--revoke", listed.split()[0], *data)[0] == 0
        assert "revoked" in run("key", *data)[1]
        assert browser.get("/studio/history").status_code == 401
    with pytest.raises(openai.AuthenticationError):
        good.models.list()
    good.close()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--host", "0.0.0.0"), "needs API keys"),
        (("--public-url", "https://x.example"), "needs API keys"),
        (("--public-url", "x.example"), "must begin with"),
        (("--db", "mysql://x/y"), "must be sqlite or postgresql"),
        (("--model", "/nowhere"), "no model in"),
    ],
)
def test_a_server_that_cannot_start_says_why(run, tmp_path, args, words):
    code, _, said = run("serve", "--data", tmp_path / "d", "--port", 0, *args)
    assert code in (2, 3) and words in said


def test_one_server_a_folder_and_a_port(serve, run, tmp_path):
    port = urlsplit(serve().url).port
    for folder, words in ((tmp_path / "data", "another radsmith server"), (tmp_path / "b", "port")):
        code, _, said = run("serve", "--data", folder, "--port", port)
        assert code == 4 and words in said


def test_the_server_never_imports_torch():
    code = (
        "import sys; import radsmith.server.app, radsmith.server.jobs.worker;"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_first_page_waits_for_nothing_heavy():
    code = (
        "import sys; import radsmith.server.front, radsmith.server.store.store;"
        "heavy = {'numpy', 'fastapi', 'pydantic', 'onnxruntime', 'PIL', 'pydicom'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_server_that_cannot_load_stops_and_says_why(serve, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "uploads").write_text("in the way")
    server = serve(folder=folder)
    assert server.process.wait(60) == 2
    said = server.log.read_text()
    assert "uploads: a file is in the way" in said and "Traceback" not in said


def test_without_the_extra_serve_says_how_to_install_it():
    code = (
        "import importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda n, *a: None if n == 'fastapi' else real(n, *a)\n"
        "import sys; sys.argv = ['radsmith', 'serve']\n"
        "from radsmith.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 4 and "pip install radsmith[serve]" in done.stderr
