"""The images endpoint as an engine against our own server, and a server that draws with one."""

import httpx
import pytest

from radsmith.engines.choice import load_engine
from radsmith.engines.engine import Ask
from radsmith.engines.openai_engine import KEY, Endpoint, OpenAIEngine
from radsmith.errors import InvalidInput, NotFound, Unavailable
from radsmith.generation.plan import plan
from radsmith.images.provenance import Settings
from radsmith.testing import known_pixels_stay

CHEST = ("modality:x-ray", "body_part:chest")


def engine_of(server, model="radsmith-default", waits=None):
    waits = [] if waits is None else waits
    return OpenAIEngine(Endpoint(model=model, base_url=f"{server.url}/v1"), sleep=waits.append)


def history(server):
    """Batches the server was asked for, newest first."""
    with httpx.Client(base_url=server.url) as http:
        http.get("/")
        return http.get("/studio/history").json()["batches"]


def test_an_endpoint_of_our_own_draws(server):
    image = engine_of(server).generate(Ask(concepts=CHEST, settings=Settings(size=(300, 200))))
    assert image.shape == (200, 300) and image.std() > 0.05
    asked = history(server)[0]
    assert (asked["operation"], asked["prompt"]) == ("generate", "chest x-ray")
    record = asked["jobs"][0]["image"]["record"]
    assert (record["width"], record["height"]) == (512, 512)


def test_an_endpoint_of_our_own_fills_a_hole(server):
    known_pixels_stay(engine_of(server), Ask(concepts=CHEST))
    assert history(server)[0]["operation"] == "inpaint"


def test_what_the_server_refuses_is_told_in_its_words(server):
    with pytest.raises(NotFound, match="The model 'sdxl' does not exist"):
        engine_of(server, "sdxl").generate(Ask(concepts=CHEST))
    with pytest.raises(InvalidInput, match="nothing to draw"):
        engine_of(server).generate(Ask())


def test_a_full_queue_is_waited_for_as_long_as_the_server_says(serve):
    busy = serve("--rate", 2)
    for _ in range(2):
        assert httpx.get(f"{busy.url}/v1/models").status_code == 200
    told = httpx.get(f"{busy.url}/v1/models")
    assert told.status_code == 429
    waits = []
    with pytest.raises(Unavailable, match="429: more than 2 requests a minute"):
        engine_of(busy, waits=waits).generate(Ask(concepts=CHEST))
    assert len(waits) == 3 and all(0 < w <= int(told.headers["Retry-After"]) for w in waits)


def test_keys_are_sent_and_asked_for(serve, tmp_path, monkeypatch):
    from radsmith.server.store.database import Database
    from radsmith.server.store.keys import Keys

    (tmp_path / "data").mkdir()
    database = Database(f"sqlite:///{tmp_path / 'data' / 'radsmith.sqlite3'}")
    key = Keys(database).add("engine")
    database.close()
    locked = serve("--keys")
    with pytest.raises(Unavailable, match=KEY):
        engine_of(locked).generate(Ask(concepts=CHEST))
    monkeypatch.setenv(KEY, key)
    assert engine_of(locked).generate(
        Ask(concepts=CHEST, settings=Settings(size=(64, 64)))
    ).shape == (64, 64)


def test_a_server_draws_with_another_engine(server, serve, tmp_path):
    name = f"openai:radsmith-default@{server.url}/v1"
    relay = serve("--engine", name, folder=tmp_path / "relay")
    url = f"{relay.url}/v1"
    model = httpx.get(f"{url}/models").json()["data"][0]["id"]
    assert model == load_engine(name).facts.name
    assert httpx.get(f"{url}/models/{model}").json()["id"] == model
    asked = {"prompt": "knee x-ray", "size": "256x256", "model": model}
    item = httpx.post(f"{url}/images/generations", json=asked, timeout=60).json()["data"][0]
    record = item["radsmith"]
    assert (record["engine"], record["model"], record["width"]) == ("openai", model, 256)
    assert set(plan("knee x-ray", load_engine(name).facts).warnings) <= set(record["warnings"])
    assert history(server)[0]["prompt"] == "knee x-ray"
    page = httpx.get(relay.url).text
    assert f"go to {model}" in page and "Nothing leaves" not in page
    data = httpx.get(item["url"]).content
    varied = httpx.post(f"{url}/images/variations", files={"image": ("a.png", data)}, timeout=60)
    assert varied.status_code == 400 and "strength" in varied.json()["error"]["message"]


@pytest.mark.filterwarnings("ignore")  # those of torch, diffusers and transformers
def test_a_server_draws_with_a_pipeline(serve, tmp_path):
    pytest.importorskip("diffusers", reason="the extra diffusers is not installed")
    from tests.engines.test_diffusers_engine import stable_diffusion

    stable_diffusion().save_pretrained(tmp_path / "pipeline", safe_serialization=True)
    served = serve("--engine", f"diffusers:{tmp_path / 'pipeline'}")
    asked = {"prompt": "chest x-ray", "seed": 1, "steps": 2}
    url = f"{served.url}/v1/images/generations"
    record, again = (
        httpx.post(url, json=asked, timeout=300).json()["data"][0]["radsmith"] for _ in range(2)
    )
    assert record["pixels_sha256"] == again["pixels_sha256"]
    assert (record["engine"], record["num_steps"], record["guidance_scale"]) == ("diffusers", 2, 7)
