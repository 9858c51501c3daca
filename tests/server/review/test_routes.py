"""What people may do and see over the network, and that no answer is ever lost."""

import json
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from radsmith.review.log import read_log
from radsmith.review.study import open_study, read_study
from tests.review.conftest import ACCEPT, REJECT
from tests.server.conftest import Running, command
from tests.server.review.conftest import Reader, account, new_study

CASE_WORDS = (
    "control",
    "synthetic",
    "planted",
    'real"',
    "repeat",
    "sha256",
    ".png",
    "seed",
    "kind",
)


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    """One server with a study for each test, and people signed in, by name."""
    base = tmp_path_factory.mktemp("clinic")
    names = ("rights", "settle", "machines", "refused")
    made = {n: new_study(base / n, images=4, controls=3, repeats=0.34) for n in names}
    roles = {"ann": "reader", "bob": "reader", "cal": "adjudicator", "eve": "reader"}
    roles |= {"olga": "organiser", "oskar": "observer"}
    passwords = {name: account(base / "data", name, role) for name, role in roles.items()}
    running = Running(base / "data", *(a for n in names for a in ("--study", base / n)))
    people = {name: Reader(running.url, name, word) for name, word in passwords.items()}
    yield made, running, people
    for person in people.values():
        person.http.close()
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


def at(clinic, study):
    """The study, and its people working on it."""
    made, _, people = clinic
    for person in people.values():
        person.study = study
    return made[study], people


def test_rights(clinic, reader):
    study, people = at(clinic, "rights")
    nobody = reader(clinic[1].url, study="rights")
    assert nobody.http.get("/me").status_code == 401
    assert nobody.get("queue").status_code == 401
    read = people["ann"].queue()["coming"][0]["read"]
    picture = people["ann"].get(f"pictures/{read}")
    assert (picture.status_code, len(picture.content)) == (200, 512 * 512)
    assert "etag" not in picture.headers
    assert "last-modified" not in picture.headers
    for name in ("bob", "eve", "cal", "olga"):
        assert people[name].get(f"pictures/{read}").status_code == 404, name
        assert people[name].answer(read, ACCEPT).status_code == 404, name
    assert people["ann"].answer(read, ACCEPT).status_code == 200
    for path, allowed in (
        ("figures", {"olga", "oskar"}),
        ("report", {"olga", "oskar"}),
        ("ratings.csv", {"olga"}),
        ("disputed", {"cal", "olga"}),
    ):
        for name, person in people.items():
            expected = 200 if name in allowed else 403
            assert person.get(path).status_code == expected, (name, path)
    assert people["eve"].http.get("/me").json()["studies"] == []
    assert people["eve"].get("queue").status_code == 404
    for name in ("ann", "bob"):
        told = people[name].get("queue").text + people[name].http.get("/studies/rights").text
        assert not [word for word in CASE_WORDS if f'"{word}' in told], told
        assert study.salt not in told
    anonymous = people["ann"].http.post(
        "/studies/rights/answers", json={"request": "x" * 9, "read": read, "answer": ACCEPT}
    )
    assert anonymous.status_code == 403  # without the page's header


def test_accounts_are_made_and_ended_by_command(tmp_path, serve, reader):
    data = tmp_path / "data"

    def person(*args, code=0):
        told = command("review", "person", *args, "--data", data)
        done = subprocess.run(told, capture_output=True, text=True, input="long enough words\n")
        assert done.returncode == code, done.stderr
        return done.stdout.strip() or done.stderr.strip()

    password = person("ann")
    assert len(password) >= 16
    assert "already" in person("ann", code=2)
    assert person() == "ann  reader  in use"
    person("ann", "--reset", "--password-stdin")
    study = new_study(tmp_path / "trial")
    running = serve("--study", study.folder)
    ann = reader(running.url, "ann", "long enough words")
    assert ann.post("/login", name="ann", password=password).status_code == 401
    person("ann", "--end")
    assert ann.http.get("/me").status_code == 401


def test_readers_differ_and_a_third_settles(clinic):
    study, people = at(clinic, "settle")
    for name, answer in (("ann", ACCEPT), ("bob", REJECT)):
        while coming := people[name].queue()["coming"]:
            assert people[name].answer(coming[0]["read"], answer).status_code == 200
    told = people["cal"].get("disputed").json()
    assert told["left"] == len(study.cases)
    case = told["cases"][0]
    assert {a["verdict"] for a in case["answers"]} == {"accept", "reject"}
    assert not {"ann", "bob"} & set(json.dumps(told).replace('"', " ").split())
    body = {"request": "settle-001", "case": case["case"], "answer": ACCEPT}
    for _ in range(2):
        left = people["cal"].post("/studies/settle/adjudications", **body).json()["left"]
        assert left == told["left"] - 1
    _, state, _ = read_study(study.folder)
    assert state.outcome(case["case"], "adjudicated") == "accept"
    figures = people["olga"].get("figures").json()
    assert figures["outcomes"]["to_settle"]["settled"] == 1


def test_undo_pause_and_another_machine(clinic, reader):
    _, people = at(clinic, "machines")
    ann = people["ann"]
    first = ann.queue()["coming"][0]["read"]
    ann.answer(first, REJECT)
    back = ann.post("/studies/machines/undo", request="undo-0001").json()
    assert back["coming"][0]["read"] == first
    assert back["progress"]["done"] == 0
    ann.answer(first, ACCEPT)
    elsewhere = reader(clinic[1].url, study="machines")
    elsewhere.http.cookies.update(ann.http.cookies)
    assert elsewhere.queue() == ann.queue()
    assert elsewhere.queue()["progress"]["done"] == 1


def test_bad_answers_are_refused_in_words(clinic):
    study, people = at(clinic, "refused")
    ann = people["ann"]
    read = ann.queue()["coming"][0]["read"]
    for answer, why in (
        ({"verdict": "accept", "scores": {"realism": 9}}, "realism is scored"),
        ({"verdict": "reject"}, "say why"),
        ({"guess": "real"}, "does not ask for guess"),
    ):
        refused = ann.answer(read, answer)
        assert refused.status_code == 400
        assert why in refused.json()["error"]["message"]
    assert len(read_log(study.folder)[0]) == 1


def test_passwords_sessions_and_limits(clinic, reader):
    _, running, _ = clinic
    stranger = reader(running.url)
    with ThreadPoolExecutor(9) as tries:
        told = {"name": "nobody here", "password": "guess"}
        answers = list(tries.map(lambda _: stranger.post("/login", **told).status_code, range(9)))
    assert set(answers) == {401, 429}
    ann = clinic[2]["ann"]
    cookie = ann.http.cookies["radsmith_review"]
    assert ann.post("/logout").status_code == 200
    ann.http.cookies.set("radsmith_review", cookie)
    assert ann.http.get("/me").status_code == 401
    assert b"guess" not in (running.log.read_bytes())


def test_whoever_sits_here_needs_no_account(tmp_path, serve, reader):
    study = new_study(tmp_path / "trial", readers=("local",), reads=1)
    running = serve("--study", study.folder)
    me = reader(running.url)
    assert me.http.get("/me").json()["local"]
    assert me.answer(me.queue()["coming"][0]["read"], ACCEPT).status_code == 200
    foreign = me.http.post(
        "/studies/trial/undo",
        json={"request": "undo-0001"},
        headers={"X-Radsmith-Request": "x", "Origin": "https://evil.example"},
    )
    assert foreign.status_code == 403


def test_a_killed_server_loses_no_acknowledged_answer(tmp_path, serve, reader):
    """SIGKILL at moments that the answers' own number decides; many readers at once."""
    readers = tuple(f"r{i}" for i in range(4))
    study = new_study(tmp_path / "trial", images=30, readers=readers, reads=3)
    data = tmp_path / "data"
    passwords = {name: account(data, name, "reader") for name in readers}
    acknowledged = set()
    for round_ in range(3):
        running = serve("--study", study.folder)
        people = [reader(running.url, name, word) for name, word in passwords.items()]
        killed = threading.Event()

        def work(person, running=running, killed=killed, round_=round_):
            try:
                for _ in range(30):
                    coming = person.queue()["coming"]
                    if not coming:
                        return
                    read = coming[0]["read"]
                    if person.answer(read, ACCEPT).status_code == 200:
                        acknowledged.add(read)
                    if len(acknowledged) > (round_ + 1) * 11 and not killed.is_set():
                        killed.set()
                        running.process.send_signal(signal.SIGKILL)
            except Exception:
                assert killed.is_set()

        threads = [threading.Thread(target=work, args=(person,)) for person in people]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        running.stop(signal.SIGKILL)
        kept = read_study(study.folder)[1].answers
        assert acknowledged <= set(kept)
    assert len(acknowledged) >= 33
    assert len(kept) <= 90
    assert open_study(study.folder)


def test_any_folder_may_be_read_without_a_model(tmp_path, reader):
    from tests.review.conftest import pictures

    images = pictures(tmp_path / "any", 3, 1)
    process = subprocess.Popen(
        command("review", images, "--port", 0), stdout=subprocess.PIPE, text=True
    )
    try:
        told = [process.stdout.readline() for _ in range(3)]
        url = told[1].removeprefix("studio: ").strip().rstrip("/")
        me = reader(url, study="any-review")
        assert me.http.get("/me").json()["studies"][0]["reads"]
        assert me.answer(me.queue()["coming"][0]["read"], ACCEPT).status_code == 200
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()
    assert (tmp_path / "any-review" / "review-log.jsonl").is_file()
