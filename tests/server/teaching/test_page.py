"""The learner's page in Debian's Chromium: twenty questions by keyboard, by finger on a phone."""

import os
from base64 import b64decode
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from radsmith.teaching.items import mask_of
from tests.server.conftest import Running
from tests.server.review.conftest import account
from tests.server.review.test_page import offline
from tests.server.test_studio import CONTRAST, UNNAMED, browser
from tests.teaching.conftest import drawn, labelled, new_set

__all__ = ["browser", "drawn"]
SHOTS = os.environ.get("RADSMITH_SHOTS", "")
"""A folder for screenshots, where somebody wants to look at them."""
SIZES = {"laptop": (1280, 800), "phone": (390, 844)}
SIDEWAYS = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
PLACES = """
return ["stage", "answering"].map((id) => document.getElementById(id).getBoundingClientRect())
  .map((box) => [box.left, box.top, box.right, box.bottom].map(Math.round));
"""
HIDDEN = """
const box = document.getElementById("answer").getBoundingClientRect();
return box.bottom > innerHeight + 1 || box.top < 0 || box.height < 30;
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    data = tmp_path_factory.mktemp("classroom") / "data"
    sets = {}
    for name in (*SIZES, "line"):
        images = labelled(data.with_name(f"{name}-images"), *((2, 1) if name == "line" else (5, 3)))
        sets[name] = new_set(data, name, images=images)
    running = Running(data)
    yield running, sets
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


@pytest.fixture(params=SIZES)
def sized(browser, request):
    """A browser of a size; a phone with touch."""
    width, height = SIZES[request.param]
    phone = request.param == "phone"
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_cdp_cmd(
        "Emulation.setTouchEmulationEnabled", {"enabled": phone, "maxTouchPoints": 2}
    )
    yield browser, request.param
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    told = [e for e in browser.get_log("browser") if e["level"] == "SEVERE"]
    assert all("401" in e["message"] for e in told), told


def wait(browser, condition):
    return WebDriverWait(browser, 60, 0.05).until(lambda _: condition())


def text(browser, name):
    return browser.find_element(By.ID, name).text


def shown(browser, name):
    return browser.find_element(By.ID, name).is_displayed()


def press(browser, *keys):
    ActionChains(browser).send_keys(*keys).perform()


def shoot(browser, name):
    if SHOTS:
        found = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
        (Path(SHOTS) / f"{name}.png").write_bytes(b64decode(found["data"]))


def asked(browser, opened):
    """The item that is asked, once its picture is there."""
    wait(browser, lambda: not shown(browser, "verdict"))
    ready = browser.find_element(By.ID, "answering")
    seen = ready.get_attribute("data-done")
    wait(browser, lambda: ready.get_attribute("data-ready") != seen)
    item = opened.item(ready.get_attribute("data-ready"))
    browser.execute_script("arguments[0].dataset.done = arguments[1]", ready, item.id)
    return item


def inside(item):
    """A point in the middle of the mask."""
    mask = mask_of(item.region)
    rows, columns = mask.nonzero()
    return columns.mean() / 128, rows.mean() / 128


def by_keys(browser, item, right):
    if item.kind == "where":
        press(browser, Keys.ARROW_LEFT)  # the mark appears in the middle
        x, y = inside(item) if right else (0.04, 0.04)
        ways = ((x, Keys.ARROW_LEFT, Keys.ARROW_RIGHT), (y, Keys.ARROW_UP, Keys.ARROW_DOWN))
        for value, less, more in ways:
            steps = round((value - 0.5) / 0.02)
            press(browser, *[less if steps < 0 else more] * abs(steps))
    elif item.kind == "order":
        order = item.answer if right else item.answer[::-1]
        press(browser, *(str(item.pictures.index(p) + 1) for p in order))
    else:
        choice = item.answer[0] if right else wrong_of(item)
        press(browser, str(item.choices.index(choice) + 1))
    press(browser, Keys.ENTER)


def wrong_of(item):
    return next(choice for choice in item.choices if choice not in item.answer)


def tap(browser, x, y):
    points = [{"x": x, "y": y}]
    browser.execute_cdp_cmd(
        "Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points}
    )
    browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def tap_on(browser, node):
    box = browser.execute_script(
        "arguments[0].scrollIntoView({block: 'nearest'});"
        "const b = arguments[0].getBoundingClientRect(); return [b.x, b.y, b.width, b.height]",
        node,
    )
    tap(browser, box[0] + box[2] / 2, box[1] + box[3] / 2)


def by_finger(browser, item, right):
    if item.kind == "where":
        x, y = inside(item) if right else (0.04, 0.04)
        left, top, wide, high = browser.execute_script(
            "const b = document.getElementById('canvas').getBoundingClientRect();"
            "return [b.x, b.y, b.width, b.height]"
        )
        side = 0.94 * min(wide, high)
        tap(browser, left + wide / 2 + (x - 0.5) * side, top + high / 2 + (y - 0.5) * side)
    elif item.kind == "order":
        order = item.answer if right else item.answer[::-1]
        for picture in order:
            at = item.pictures.index(picture)
            tap_on(browser, browser.find_element(By.CSS_SELECTOR, f'#several [data-at="{at}"]'))
    else:
        choice = item.answer[0] if right else wrong_of(item)
        for button in browser.find_elements(By.CSS_SELECTOR, "#choices button"):
            if button.get_attribute("data-choice") == choice:
                tap_on(browser, button)
    tap_on(browser, browser.find_element(By.ID, "answer"))


def test_twenty_questions(sized, server):
    browser, name = sized
    running, sets = server
    opened = sets[name]
    total = len(opened.items)
    assert total >= 20 and {i.kind for i in opened.items} >= {
        "source",
        "finding",
        "side",
        "where",
        "order",
    }
    browser.get(f"{running.url}/teach")
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, f"[data-set={name}]"))
    shoot(browser, f"{name}-sets")
    browser.find_element(By.CSS_SELECTOR, f"[data-set={name}]").click()
    wait(browser, lambda: shown(browser, "begin"))
    about = text(browser, "set")
    assert "never looked at by an expert" in about
    assert "No trial of learning radiology from synthetic images exists yet" in about
    assert "6 of 25" in about and "24 of 25" in about
    assert "nobody knows from how many training images" in about
    assert not browser.execute_script(CONTRAST) and not browser.execute_script(UNNAMED)
    shoot(browser, f"{name}-about")
    browser.find_element(By.ID, "begin").click()
    answer = by_finger if name == "phone" else by_keys
    kinds, right = set(), 0
    for number in range(total):
        item = asked(browser, opened)
        wanted = number % 4 != 0
        answer(browser, item, wanted)
        wait(browser, lambda: shown(browser, "verdict"))
        assert text(browser, "verdict-word").startswith(
            "Right" if wanted else ("Wrong", "Not quite")
        ), item
        right += wanted
        assert text(browser, "verdict-told") == item.told
        assert text(browser, "count") == f"{number + 1} of {total} answered, {right} right"
        assert browser.execute_script(SIDEWAYS) <= 0
        assert not browser.execute_script(HIDDEN)
        if item.kind not in kinds:
            kinds.add(item.kind)
            assert not browser.execute_script(CONTRAST) and not browser.execute_script(UNNAMED)
            shoot(browser, f"{name}-{item.kind}")
        if name == "phone":
            tap_on(browser, browser.find_element(By.ID, "answer"))
        else:
            press(browser, Keys.ENTER)
    wait(browser, lambda: text(browser, "message-title") == "All answered")
    assert f"{right} of {total} right" in text(browser, "message-text")
    assert f"{total - right} questions missed so far" in text(browser, "message-text")
    shoot(browser, f"{name}-done")
    browser.get(f"{running.url}/teach#{name}/class")
    wait(browser, lambda: shown(browser, "class") and "Cronbach" in text(browser, "class"))
    assert f"{total} of {total}" in text(browser, "class")
    shoot(browser, f"{name}-class")
    browser.get(f"{running.url}/teach#{name}/look")
    wait(browser, lambda: text(browser, "message-title") == "Nothing to look at")


@pytest.mark.parametrize("size", [(1024, 768), (820, 1180), (844, 390)])
def test_nothing_is_covered_on_a_tablet_or_a_phone_on_its_side(browser, server, size):
    running, _ = server
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get("about:blank")
    browser.get(f"{running.url}/teach#line/quiz")
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "[data-ready]"))
    assert browser.execute_script(SIDEWAYS) <= 0
    assert not browser.execute_script(HIDDEN)
    stage, aside = browser.execute_script(PLACES)
    assert min(stage[2] - stage[0], stage[3] - stage[1]) > 200
    apart = aside[0] >= stage[2] or aside[1] >= stage[3]
    assert apart, (stage, aside)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_pairs_and_severities_to_look_at(sized, drawn):
    browser, name = sized
    data = drawn.folder.parents[1]
    running = Running(data)
    learner = f"{running.url}/teach#drawn"
    browser.get(f"{learner}/quiz")
    while True:
        wait(browser, lambda: shown(browser, "question") or shown(browser, "message-title"))
        if shown(browser, "message-title"):
            break
        item = asked(browser, drawn)
        if item.kind == "pair":
            assert browser.find_element(By.ID, "splitter").is_displayed()
        by_keys(browser, item, True)
        wait(browser, lambda: shown(browser, "verdict"))
        if "pneumothorax" in item.told and item.kind == "finding":
            weak = text(browser, "verdict")
            assert "learned from 25 training images" in weak and "6 of 25" in weak
        shoot(browser, f"{name}-drawn-{item.kind}")
        press(browser, Keys.ENTER)
        wait(browser, lambda: not shown(browser, "verdict") or shown(browser, "message-title"))
    browser.get(f"{learner}/look")
    wait(browser, lambda: shown(browser, "grader"))
    assert text(browser, "grade-words") == "doubtful"
    before = ink(browser)
    press(browser, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    wait(browser, lambda: text(browser, "grade-words") == "severe")
    assert ink(browser) != before
    assert "did not learn how severe “pneumonia”" in text(browser, "hint")
    shoot(browser, f"{name}-severity")
    press(browser, "2")
    wait(browser, lambda: shown(browser, "splitter"))
    marked = ink(browser)
    press(browser, "m")
    assert ink(browser) != marked
    assert not browser.execute_script(CONTRAST)
    browser.get(f"{learner}/another")
    wait(browser, lambda: shown(browser, "ask-prompt"))
    browser.find_element(By.ID, "ask-prompt").send_keys("head CT, axial", Keys.ENTER)
    wait(browser, lambda: shown(browser, "ask-picture"))
    assert "No expert has looked" in text(browser, "ask")
    shoot(browser, f"{name}-another")
    assert running.stop() == 0
    for path in data.glob("radsmith.sqlite3*"):
        path.unlink()


def ink(browser):
    return browser.execute_script("return document.getElementById('canvas').toDataURL()")


def test_signing_in_with_the_account_of_the_review(sized, tmp_path):
    browser, name = sized
    data = tmp_path / "data"
    password = account(data, "ann", "reader")
    new_set(data, "lungs", images=labelled(tmp_path / "images", 2, 0))
    running = Running(data)
    browser.get(f"{running.url}/teach")
    wait(browser, lambda: shown(browser, "sign-in"))
    assert not browser.execute_script(CONTRAST)
    browser.find_element(By.ID, "name").send_keys("ann")
    browser.find_element(By.ID, "password").send_keys("wrong words", Keys.ENTER)
    wait(browser, lambda: "do not belong" in text(browser, "login-problem"))
    browser.find_element(By.ID, "password").clear()
    browser.find_element(By.ID, "password").send_keys(password, Keys.ENTER)
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "[data-set=lungs]"))
    browser.find_element(By.CSS_SELECTOR, "[data-set=lungs]").click()
    wait(browser, lambda: shown(browser, "begin"))
    modes = [b.text for b in browser.find_elements(By.CSS_SELECTOR, "#modes button")]
    assert modes == ["About", "Quiz", "Repeat", "Look", "Another"]
    shoot(browser, f"{name}-learner")
    browser.find_element(By.ID, "leave").click()
    wait(browser, lambda: shown(browser, "sign-in"))
    running.stop()


def test_an_answer_is_kept_through_a_lost_connection(browser, server):
    running, sets = server
    browser.get("about:blank")
    browser.get(f"{running.url}/teach#line/quiz")
    wait(browser, lambda: shown(browser, "question"))
    item = asked(browser, sets["line"])
    offline(browser, True)
    by_keys(browser, item, True)
    wait(browser, lambda: "your answer is not lost" in text(browser, "problem"))
    press(browser, Keys.ENTER)
    offline(browser, False)
    wait(browser, lambda: not browser.find_element(By.ID, "answer").get_attribute("disabled"))
    press(browser, Keys.ENTER)
    wait(browser, lambda: shown(browser, "verdict"))
    assert text(browser, "count").startswith("1 of ")
    assert text(browser, "problem") == ""
