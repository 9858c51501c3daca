"""The images endpoint as an engine, against a small server that answers as the API documents."""

import base64
import io
import json
import threading
from email import message_from_bytes
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image as Picture

from radsmith.cli import cli
from radsmith.engines.choice import load_engine
from radsmith.engines.engine import Ask, Given
from radsmith.engines.openai_engine import KEY, Endpoint, OpenAIEngine
from radsmith.errors import InvalidInput, NotFound, Unavailable
from radsmith.generation.plan import plan
from radsmith.generation.run import ImageJob, run_jobs
from radsmith.images.pictures import read_record
from radsmith.images.provenance import Request, Settings
from radsmith.testing import LAWS

pytest.importorskip("httpx", reason="the extra `remote` is not installed")

CHEST = ("modality:x-ray", "body_part:chest")
RED = (200, 30, 60)
GRAY_OF_RED = round(0.299 * 200 + 0.587 * 30 + 0.114 * 60)


class Server(ThreadingHTTPServer):
    """What was asked, and what to answer next: (status, headers, body), else an image."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked, self.answers, self.linked = [], [], False
        self.url = f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(("GET", dict(self.headers)))
        self._send(200, {"Content-Type": "image/png"}, colour(int(self.path.rpartition("/")[2])))

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fields = parsed(self.headers["Content-Type"], body)
        self.server.asked.append((self.path, dict(self.headers), fields))
        if self.server.answers:
            return self._send(*self.server.answers.pop(0))
        side = int(fields["size"].partition("x")[0])
        item = {"b64_json": base64.b64encode(colour(side)).decode()}
        if self.server.linked:
            item = {"url": f"{self.server.url}/files/{side}"}
        self._send(200, {}, json.dumps({"created": 1, "data": [item]}).encode())

    def _send(self, status, headers, body):
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def parsed(content_type, body):
    if content_type == "application/json":
        return json.loads(body)
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    parts = message_from_bytes(head + body, policy=HTTP).iter_parts()
    return {
        p.get_param("name", header="content-disposition"): p.get_payload(decode=True)
        if p.get_filename()
        else p.get_payload(decode=True).decode()
        for p in parts
    }


def colour(side):
    buffer = io.BytesIO()
    Picture.new("RGB", (side, side), RED).save(buffer, "PNG")
    return buffer.getvalue()


def problem(status, message, **headers):
    return status, headers, json.dumps({"error": {"message": message}}).encode()


@pytest.fixture
def server(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", KEY, "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def engine_of(server, model="dall-e-2", waits=None):
    waits = [] if waits is None else waits
    return OpenAIEngine(Endpoint(model=model, base_url=server.url), sleep=waits.append)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_an_endpoint_keeps(law, server):
    law(engine_of(server), Ask(concepts=CHEST))


def test_generate_asks_in_words_and_gives_gray_of_the_size(server, monkeypatch):
    monkeypatch.setenv(KEY, "secret")
    settings = Settings(size=(300, 200))
    image = engine_of(server).generate(
        Ask(concepts=CHEST, seed=7, settings=settings, absent=("finding:pneumothorax",))
    )
    assert image.shape == (200, 300) and image.dtype == np.float32
    assert np.allclose(image * 255, GRAY_OF_RED, atol=0.51)
    path, headers, fields = server.asked[0]
    assert path == "/v1/images/generations"
    assert headers["Authorization"] == "Bearer secret"
    assert fields == {
        "model": "dall-e-2",
        "prompt": "chest x-ray, no pneumothorax",
        "n": 1,
        "size": "512x512",
        "response_format": "b64_json",
    }


def test_sizes_are_the_smallest_that_lose_nothing(server):
    engine = engine_of(server)
    for size in ((64, 64), (256, 100), (257, 64), (1024, 1024)):
        assert (
            engine.generate(Ask(concepts=CHEST, settings=Settings(size=size))).shape == size[::-1]
        )
    assert [a[2]["size"] for a in server.asked] == ["256x256", "256x256", "512x512", "1024x1024"]
    with pytest.raises(InvalidInput, match="64-1024"):
        engine.generate(Ask(concepts=CHEST, settings=Settings(size=(2000, 64))))
    engine_of(server, "gpt-image-1").generate(Ask(concepts=CHEST, settings=Settings(size=(64, 64))))
    assert server.asked[-1][2]["size"] == "1024x1024"
    assert "response_format" not in server.asked[-1][2]


def test_an_answer_may_be_a_link_and_the_key_is_not_sent_there(server, monkeypatch):
    monkeypatch.setenv(KEY, "secret")
    server.linked = True
    image = engine_of(server).generate(Ask(concepts=CHEST, settings=Settings(size=(256, 256))))
    assert np.allclose(image * 255, GRAY_OF_RED, atol=0.51)
    assert "Authorization" not in server.asked[-1][1]


def test_the_official_key_is_for_the_official_host_alone(monkeypatch):
    monkeypatch.delenv(KEY, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    assert Endpoint(model="m", base_url="https://api.openai.com/v1").key == "secret"
    assert Endpoint(model="m", base_url="https://api.openai.com.example.org/v1").key == ""


def test_fill_sends_the_hole_as_transparency_and_keeps_the_rest(server):
    pixels = np.random.default_rng(0).random((80, 120), np.float32)
    mask = np.zeros(pixels.shape, bool)
    mask[20:40, 30:60] = True
    found = engine_of(server).fill(Given(pixels=pixels, mask=mask), Ask(concepts=CHEST)).pixels
    assert np.array_equal(found[~mask], pixels[~mask])
    assert not np.array_equal(found[mask], pixels[mask])
    path, _, fields = server.asked[0]
    assert (path, fields["prompt"], fields["size"]) == (
        "/v1/images/edits",
        "chest x-ray",
        "256x256",
    )
    sent = Picture.open(io.BytesIO(fields["mask"]))
    assert sent.mode == "RGBA" and sent.size == (256, 256)
    share = np.mean(np.asarray(sent)[..., 3] == 0)
    assert 0.04 < share < 0.06  # 600 of 120 x 120 pixels
    assert Picture.open(io.BytesIO(fields["image"])).mode == "RGB"


def test_a_whole_hole_is_generated_and_strength_is_refused(server):
    pixels, mask = np.zeros((50, 70), np.float32), np.ones((50, 70), bool)
    engine = engine_of(server)
    assert engine.fill(Given(pixels=pixels, mask=mask), Ask()).pixels.shape == (50, 70)
    assert server.asked[0][0] == "/v1/images/generations"
    assert server.asked[0][2]["prompt"] == "radiology image"
    with pytest.raises(InvalidInput, match="--strength 1"):
        engine.fill(Given(pixels=pixels, mask=mask, strength=0.5), Ask())
    sketched = Given(pixels=pixels, mask=mask, strength=0.5, sketched=True)
    assert engine.fill(sketched, Ask()).pixels.shape == mask.shape  # drawn afresh


def test_a_busy_endpoint_is_asked_again_after_what_it_says(server):
    server.answers = [problem(429, "slow down", **{"Retry-After": "7"}), problem(503, "later")]
    waits = []
    assert engine_of(server, waits=waits).generate(Ask(concepts=CHEST)).shape == (512, 512)
    assert waits == [7.0, 2.0]
    assert len(server.asked) == 3


def test_a_busy_endpoint_is_given_up_on(server):
    server.answers = [problem(500, "broken")] * 4
    waits = []
    with pytest.raises(Unavailable, match="500: broken; try again later"):
        engine_of(server, waits=waits).generate(Ask(concepts=CHEST))
    assert waits == [1.0, 2.0, 4.0]
    server.answers = [problem(429, "quota", **{"Retry-After": "86400"})]
    with pytest.raises(Unavailable, match="quota"):
        engine_of(server, waits=waits).generate(Ask(concepts=CHEST))
    assert len(waits) == 3


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        (400, InvalidInput, "safety system"),
        (401, Unavailable, KEY),
        (404, NotFound, "base URL"),
    ],
)
def test_refusals_are_told_at_once(server, status, error, says):
    server.answers = [problem(status, "the safety system refused")]
    with pytest.raises(error, match=says):
        engine_of(server).generate(Ask(concepts=CHEST))
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"data": []}', b'{"data": [{}]}', b'{"data": [{"b64_json": "%%"}]}',
     b'{"data": [{"b64_json": "aGVsbG8="}]}', b'{"data": [{"b64_json": 3}]}', b"\xff\xfe<html>",
     b'{"data": [{"url": "file:///etc/passwd"}]}', b'{"data": [{"url": "nowhere"}]}'],
)  # fmt: skip
def test_strange_answers_are_errors_of_ours(server, body):
    server.answers = [(200, {}, body)]
    with pytest.raises(Unavailable):
        engine_of(server).generate(Ask(concepts=CHEST))


def test_nobody_there(server):
    server.server_close()
    waits = []
    with pytest.raises(Unavailable, match="cannot reach http://127"):
        engine_of(server, waits=waits).generate(Ask(concepts=CHEST))
    assert len(waits) == 3


@pytest.mark.parametrize(
    "text",
    ["m", "@http://x", "m@ftp://x", "m@", "m@http://", "m@http://u:p@x/v1", "m@http://x?k=1"],
)
def test_addresses_that_are_none(text):
    with pytest.raises(InvalidInput):
        load_engine(f"openai:{text}")


def test_jobs_in_workers_build_the_same_engine(server, tmp_path):
    choice = f"openai:m@{server.url}"
    planned = plan("chest x-ray", Endpoint(model="m", base_url=server.url).facts)
    settings = Settings(size=(64, 64))
    jobs = [
        ImageJob(
            plan=planned,
            request=Request(prompt="chest x-ray", seed=seed, settings=settings),
            path=tmp_path / str(seed),
            formats=("png",),
        )
        for seed in range(3)
    ]
    made = list(run_jobs(jobs, model=choice, workers=2, force=False))
    assert [outcome.error for outcome in made] == [None] * 3
    record = read_record(tmp_path / "1.png")
    assert (record.engine, record.model) == ("openai", f"m@{server.url}")
    assert "seed" in " ".join(record.warnings)
    again = list(run_jobs(jobs, model=choice, workers=1, force=False))
    assert [outcome.image for outcome in again] == [None] * 3
    assert len(server.asked) == 3


def test_the_commands_take_an_endpoint(server, tmp_path):
    engine = f"--engine=openai:m@{server.url}"
    made = CliRunner().invoke(
        cli, ["generate", "knee x-ray", engine, "--size", "300x300", "-o", str(tmp_path)]
    )
    assert made.exit_code == 0, made.output
    assert "never learned" not in made.output and "unknown to radsmith" in made.output
    image = next(tmp_path.glob("*.png"))
    edited = CliRunner().invoke(
        cli,
        ["inpaint", str(image), "--box", "10,10,50,50", engine, "-o", str(tmp_path / "edited")],
    )
    assert edited.exit_code == 0, edited.output
    assert [a[0] for a in server.asked] == ["/v1/images/generations", "/v1/images/edits"]
    assert server.asked[1][2]["prompt"] == "knee x-ray"
