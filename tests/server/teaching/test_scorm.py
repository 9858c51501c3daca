"""The SCORM 1.2 package opened by players: a strict one of our own, and scorm-again."""

import functools
import http.server
import json
import shutil
import subprocess
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from radsmith.server.teaching.files import exported
from tests.server.teaching.test_page import browser, by_keys, press, shown, text, wait
from tests.teaching.conftest import labelled, new_set

__all__ = ["browser"]
SCORM_AGAIN = "scorm-again@3.4.3"
FRAME = """<!doctype html><title>LMS</title><script>{api}</script>
<iframe name="sco" src="sco/index.html" style="width: 1200px; height: 760px"></iframe>"""
STRICT = Path(__file__).with_name("strict_scorm.js")


@pytest.fixture(scope="module")
def packaged(tmp_path_factory):
    base = tmp_path_factory.mktemp("scorm")
    opened = new_set(base / "data", images=labelled(base / "images", 3, 2))
    return opened, exported("scorm", opened, (), "")


@pytest.fixture
def course(packaged, tmp_path):
    """Where a player is served that opens the package, in a folder that can be given an API."""
    opened, data = packaged
    (tmp_path / "package.zip").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "package.zip") as archive:
        archive.extractall(tmp_path / "sco")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield opened, tmp_path, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def begin(browser, url):
    browser.switch_to.default_content()
    browser.get(url)
    browser.switch_to.frame("sco")
    wait(browser, lambda: shown(browser, "begin"))
    browser.find_element(By.ID, "begin").click()


def asked(browser, opened, seen):
    ready = browser.find_element(By.ID, "answering")
    wait(browser, lambda: ready.get_attribute("data-ready") not in (None, *seen))
    item = opened.item(ready.get_attribute("data-ready"))
    seen.append(item.id)
    return item


def one(browser, opened, seen, right):
    item = asked(browser, opened, seen)
    by_keys(browser, item, right)
    wait(browser, lambda: shown(browser, "verdict"))
    assert text(browser, "verdict-word").startswith("Right" if right else ("Wrong", "Not quite"))
    press(browser, Keys.ENTER)
    return item


def outside(browser, script):
    browser.switch_to.default_content()
    found = browser.execute_script(script)
    browser.switch_to.frame("sco")
    return found


def test_a_strict_player_takes_all_that_is_told(browser, course):
    opened, folder, url = course
    (folder / "lms.html").write_text(FRAME.format(api=STRICT.read_text()))
    begin(browser, f"{url}/lms.html")
    seen, total = [], len(opened.items)
    half = total // 2
    for number in range(half):
        one(browser, opened, seen, number != 0)
    assert outside(browser, "return window.kept")["cmi.core.lesson_status"] == "incomplete"
    begin(browser, f"{url}/lms.html")  # on another day: goes on where it was
    assert text(browser, "count") == f"{half} of {total} answered, {half - 1} right"
    for _ in range(half, total):
        one(browser, opened, seen, True)
    wait(browser, lambda: text(browser, "message-title") == "All answered")
    assert len(set(seen)) == total
    kept, faults = outside(browser, "return [window.kept, window.faults]")
    assert faults == []
    assert outside(browser, "return window.over")
    score = round(100 * (total - 1) / total)
    assert kept["cmi.core.score.raw"] == str(score)
    assert kept["cmi.core.lesson_status"] == ("passed" if score >= 80 else "failed")
    assert kept["cmi.suspend_data"].count("1") == total - 1
    assert kept["cmi.interactions.0.result"] in ("correct", "wrong")
    assert "No trial of learning radiology" in text(browser, "message-text")


def test_without_a_player_it_runs_from_the_disk_and_says_so(browser, packaged, tmp_path):
    opened, data = packaged
    (tmp_path / "package.zip").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "package.zip") as archive:
        archive.extractall(tmp_path)
    browser.switch_to.default_content()
    browser.get((tmp_path / "index.html").as_uri())
    wait(browser, lambda: shown(browser, "begin"))
    assert "nothing is kept" in text(browser, "lms")
    browser.find_element(By.ID, "begin").click()
    seen = []
    for number in range(3):
        one(browser, opened, seen, number != 1)


@pytest.fixture(scope="module")
def scorm_again(tmp_path_factory):
    """The script of scorm-again, MIT, as npm gives it."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("npm")
    try:
        done = subprocess.run(
            [npm, "pack", SCORM_AGAIN, "--silent"], cwd=folder, capture_output=True, timeout=60
        )
    except subprocess.TimeoutExpired:
        pytest.skip("npm does not answer")
    found = list(folder.glob("scorm-again-*.tgz"))
    if done.returncode or not found:
        pytest.skip("npm cannot fetch scorm-again here")
    with tarfile.open(found[0]) as archive:
        archive.extractall(folder, filter="data")
    (script,) = (folder / "package" / "dist").glob("scorm12.min.js")
    return script.read_text()


def test_scorm_again_takes_it_too(browser, course, scorm_again):
    opened, folder, url = course
    api = f"{scorm_again}\nwindow.API = new Scorm12API({{ autocommit: false, logLevel: 5 }});"
    (folder / "lms.html").write_text(FRAME.format(api=api.replace("</script", "<\\/script")))
    begin(browser, f"{url}/lms.html")
    seen, total = [], len(opened.items)
    for _ in range(total):
        one(browser, opened, seen, True)
    wait(browser, lambda: text(browser, "message-title") == "All answered")
    told = json.loads(outside(browser, "return JSON.stringify(window.API.cmi)"))
    core = told["core"]
    assert (core["lesson_status"], core["score"]["raw"]) == ("passed", "100")
    assert set(told["suspend_data"]) == {"1"}
    assert len(told["interactions"]) == total
