"""The reader's page in Debian's Chromium: by keyboard alone, through a lost connection."""

import os
import time
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from radsmith.review.desk import Desk
from radsmith.review.study import read_study
from tests.review.conftest import ACCEPT, REJECT, say
from tests.server.conftest import Running
from tests.server.review.conftest import account, new_study
from tests.server.test_studio import CONTRAST, INK, UNNAMED, browser

__all__ = ["browser"]
SHOTS = os.environ.get("RADSMITH_SHOTS", "")
"""A folder for screenshots, where somebody wants to look at them."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    base = tmp_path_factory.mktemp("page")
    studies = {
        "walk": new_study(
            base / "walk", images=24, controls=8, repeats=0.07, readers=("local",), reads=1
        ),
        "phases": new_study(
            base / "phases", images=3, controls=1, readers=("local",), reads=1, phases=2
        ),
    }
    differ = Desk(new_study(base / "differ", images=2))
    say(differ, "ann", ACCEPT, lambda: os.urandom(8).hex())
    say(differ, "bob", {**REJECT, "note": "doubled rib"}, lambda: os.urandom(8).hex())
    studies["differ"] = differ.study
    running = Running(base / "data", *(a for s in studies.values() for a in ("--study", s.folder)))
    yield running, studies
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


def wait(browser, condition):
    return WebDriverWait(browser, 60, 0.05).until(lambda _: condition())


def text(browser, name):
    return browser.find_element(By.ID, name).text


def press(browser, *keys):
    ActionChains(browser).send_keys(*keys).perform()


def done(browser):
    return int(text(browser, "count").split(": ")[-1].split(" of ")[0])


def waiting(browser):
    return int(browser.find_element(By.ID, "line").get_attribute("data-waiting"))


def read_one(browser, *keys):
    """Press keys once the next picture is there; until the count has gone on."""
    before = done(browser)
    press(browser, *keys)
    wait(browser, lambda: done(browser) == before + 1)
    wait(browser, lambda: ready(browser))


def ready(browser):
    pressed = browser.find_elements(By.CSS_SELECTOR, '[aria-pressed="true"][data-verdict]')
    shown = browser.find_element(By.ID, "reading").is_displayed()
    hidden = not browser.find_element(By.ID, "waiting").is_displayed()
    return shown and hidden and not pressed


def offline(browser, on):
    conditions = {"offline": on, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", conditions)


def shoot(browser, name):
    if SHOTS:
        browser.save_screenshot(str(Path(SHOTS) / f"{name}.png"))


def test_thirty_cases_by_keyboard_with_the_network_lost_in_the_middle(browser, server):
    running, studies = server
    study = studies["walk"]
    total = len(study.plan["local"])
    assert total >= 30
    browser.get(f"{running.url}/review#read/walk")
    wait(browser, lambda: ready(browser))
    wait(browser, lambda: browser.execute_script(INK) > 1)
    assert not browser.execute_script(UNNAMED)
    assert not browser.execute_script(CONTRAST)
    shoot(browser, "first")
    for _ in range(9):
        read_one(browser, "a", Keys.ENTER)
    press(browser, "r", Keys.ENTER)  # without a reason nothing is sent
    assert "say why" in text(browser, "problem").lower()
    press(browser, "1", "2", "x", Keys.ARROW_RIGHT, " ", Keys.ESCAPE, "m")
    ActionChains(browser).key_down(Keys.ALT).send_keys(Keys.ARROW_RIGHT).key_up(Keys.ALT).perform()
    shoot(browser, "reject")
    read_one(browser, Keys.ENTER)
    press(browser, Keys.BACKSPACE)  # undo: the rejected one comes back as it was
    wait(browser, lambda: done(browser) == 9)
    rejected = '[aria-pressed="true"][data-verdict="reject"]'
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, rejected))
    press(browser, "n", "by keyboard", Keys.ESCAPE)
    read_one(browser, Keys.ENTER)
    assert done(browser) == 10
    wait(browser, lambda: waiting(browser) == 0)
    offline(browser, True)
    for _ in range(4):  # pictures that were fetched ahead
        read_one(browser, "a", Keys.ENTER)
    wait(browser, lambda: "kept in this browser" in text(browser, "line"))
    shoot(browser, "offline")
    assert waiting(browser) >= 4
    assert len(read_study(study.folder)[1].answers) == 10
    offline(browser, False)
    wait(browser, lambda: waiting(browser) == 0)
    assert len(read_study(study.folder)[1].answers) == 14
    browser.refresh()
    wait(browser, lambda: ready(browser))
    assert done(browser) == 14
    press(browser, " ")
    assert browser.find_element(By.ID, "paused").is_displayed()
    press(browser, "a", Keys.ENTER)  # goes on, sends nothing
    assert not browser.find_element(By.ID, "paused").is_displayed()
    assert done(browser) == 14
    while done(browser) < total - 1:
        read_one(browser, "a", Keys.ENTER)
    press(browser, "a", Keys.ENTER)
    wait(browser, lambda: text(browser, "message-title") == "All read")
    _, state, _ = read_study(study.folder)
    assert len(state.answers) == total
    verdicts = [a.answer["verdict"] for a in state.answers.values()]
    assert (verdicts.count("accept"), verdicts.count("reject")) == (total - 1, 1)
    (one,) = [a.answer for a in state.answers.values() if a.answer["verdict"] == "reject"]
    assert one["scores"] == {"realism": -2, "anatomy": -1}
    assert one["note"] == "by keyboard"
    assert one["marks"][0]["points"][0][0] == pytest.approx(0.42)
    assert one["artefacts"] == ["bone"]


def test_a_reload_without_connection_keeps_what_was_answered(browser, server):
    """Answers wait in the browser over a reload; the server is stopped and another one started."""
    _, studies = server
    study = studies["phases"]
    folder = study.folder.parent / "other"
    running = Running(folder, "--study", study.folder)
    browser.get(f"{running.url}/review#read/phases")
    wait(browser, lambda: ready(browser))
    kept = study.plan["local"][0].id
    read_one(browser, "a", Keys.ENTER)
    wait(browser, lambda: waiting(browser) == 0)
    os.kill(running.process.pid, 9)
    running.stop()
    read_one(browser, "a", Keys.ENTER)
    assert len(read_study(study.folder)[1].answers) == 1
    again = Running(folder, "--study", study.folder, "--port", running.url.rpartition(":")[2])
    wait(browser, lambda: waiting(browser) == 0)
    answers = read_study(study.folder)[1].answers
    assert len(answers) == 2
    assert kept in answers
    again.stop()


def test_the_second_part_asks_real_or_made(browser, server):
    running, studies = server
    study = studies["phases"]
    browser.get(f"{running.url}/review#read/phases")
    wait(browser, lambda: ready(browser))
    while text(browser, "count").startswith("Part 1"):
        press(browser, "a", Keys.ENTER)
        wait(browser, lambda: ready(browser))
        time.sleep(0.2)
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "[data-guess]"))
    shoot(browser, "second")
    assert not browser.execute_script(CONTRAST)
    total = sum(read.phase == 2 for read in study.plan["local"])
    for _ in range(total - 1):
        read_one(browser, "r", "2", Keys.ENTER)
    press(browser, "a", "3", Keys.ENTER)
    wait(browser, lambda: text(browser, "message-title") == "All read")
    guesses = [a.answer for a in read_study(study.folder)[1].answers.values() if a.read.phase == 2]
    assert sorted(g["guess"] for g in guesses) == ["real"] + ["synthetic"] * (total - 1)


def test_settling_what_readers_differ_on(browser, server):
    running, studies = server
    study = studies["differ"]
    browser.get(f"{running.url}/review#settle/differ")
    wait(browser, lambda: ready(browser))
    wait(browser, lambda: text(browser, "count") == "2 cases to settle")
    told = text(browser, "form")
    assert "They differ in: verdict, anatomy, realism" in told
    assert "doubled rib" in told
    assert "ann" not in told
    assert "bob" not in told
    shoot(browser, "settle")
    assert not browser.execute_script(CONTRAST)
    press(browser, "a", Keys.ENTER)
    wait(browser, lambda: text(browser, "count") == "1 case to settle" and ready(browser))
    press(browser, "r", "y", " ", Keys.ESCAPE, Keys.ENTER)
    wait(browser, lambda: text(browser, "message-title") == "Nothing to settle")
    _, state, _ = read_study(study.folder)
    settled = [answer["verdict"] for _, answer in state.adjudicated.values()]
    assert sorted(settled) == ["accept", "reject"]


def test_signing_in(browser, tmp_path):
    study = new_study(tmp_path / "ward", images=2, readers=("ann",), reads=1)
    password = account(tmp_path / "data", "ann", "reader")
    running = Running(tmp_path / "data", "--study", study.folder)
    browser.get(f"{running.url}/review")
    wait(browser, lambda: browser.find_element(By.ID, "sign-in").is_displayed())
    shoot(browser, "sign-in")
    assert not browser.execute_script(CONTRAST)
    browser.find_element(By.ID, "name").send_keys("ann")
    browser.find_element(By.ID, "password").send_keys("wrong words", Keys.ENTER)
    wait(browser, lambda: "do not belong" in text(browser, "login-problem"))
    browser.find_element(By.ID, "password").clear()
    browser.find_element(By.ID, "password").send_keys(password, Keys.ENTER)
    wait(browser, lambda: ready(browser))
    assert text(browser, "who") == "ann · reader"
    running.stop()
