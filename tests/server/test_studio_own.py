"""The studio on a phone and with one's own things: strokes taken back, masks, ZIP, deleting."""

import base64
import io
import signal
import time
import zipfile

import httpx
import numpy as np
import pytest
from PIL import Image as Picture
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.server.conftest import Running
from tests.server.test_studio import CHEST, CONTRAST, browser, generate, levels, stroke, text, wait

__all__ = ["browser"]
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
COVERED = """
const canvas = document.getElementById("canvas").getBoundingClientRect();
return [...document.querySelectorAll(".caption p")].filter((p) => {
  const box = p.getBoundingClientRect();
  const over = box.bottom > canvas.top + 1 && box.top < canvas.bottom - 1;
  return p.checkVisibility() && box.width && over;
}).map((p) => p.id);
"""
SEEN = """
const box = document.getElementById(arguments[0]).getBoundingClientRect();
const at = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
return at !== null && document.getElementById(arguments[0]).contains(at);
"""
MASK = """
const done = arguments[arguments.length - 1];
const made = URL.createObjectURL;
URL.createObjectURL = (blob) => {
  URL.createObjectURL = made;
  const reader = new FileReader();
  reader.onload = () => done(reader.result.split(",")[1]);
  reader.readAsDataURL(blob);
  return "blob:none";
};
HTMLAnchorElement.prototype.click = () => {};
document.getElementById("mask-save").click();
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("own") / "data")
    yield running
    assert running.stop(signal.SIGTERM) == 0
    assert "Traceback" not in running.log.read_text()


@pytest.fixture
def page(browser, server):
    browser.get(server.url)
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#batches li"))
    yield browser
    told = [e for e in browser.get_log("browser") if e["level"] == "SEVERE"]
    assert all("400" in e["message"] or "404" in e["message"] for e in told), told


@pytest.fixture
def phone(browser, server):
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    touch = {"enabled": True, "maxTouchPoints": 2}
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", touch)
    browser.get(server.url)
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#batches li"))
    yield browser
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def touch(page, kind, *points):
    found = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
    page.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": found})


def middle(page):
    box = page.find_element(By.ID, "canvas").rect
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def saved(page):
    """The mask as "Save mask" writes it, as bool."""
    data = page.execute_async_script(MASK)
    with Picture.open(io.BytesIO(base64.b64decode(data))) as picture:
        return np.asarray(picture.convert("L")) > 0


def enabled(page, name):
    return page.find_element(By.ID, name).is_enabled()


def click(page, name):
    page.execute_script(f"document.getElementById('{name}').click()")


def test_on_a_phone_generate_shows_its_result(phone):
    phone.find_element(By.ID, "prompt").send_keys(CHEST)
    for name, value in (("count", 2), ("steps", 1)):
        phone.execute_script(f"document.getElementById('{name}').value = '{value}'")
    header = phone.find_element(By.TAG_NAME, "header").rect
    assert header["height"] <= 0.06 * PHONE["height"]
    assert phone.execute_script(SEEN, "generate") and phone.execute_script(SEEN, "mark")
    phone.find_element(By.ID, "generate").click()
    wait(phone, lambda: len(phone.find_elements(By.CSS_SELECTOR, "#strip img")) == 2)
    wait(phone, lambda: CHEST in text(phone, "corner-name"))
    canvas = phone.find_element(By.ID, "canvas").rect
    assert canvas["y"] >= 0 and canvas["y"] + canvas["height"] <= PHONE["height"]
    assert canvas["height"] >= 0.25 * PHONE["height"] and phone.execute_script(SEEN, "canvas")
    assert phone.execute_script(COVERED) == []
    assert phone.execute_script("return document.documentElement.scrollWidth") == PHONE["width"]
    assert phone.execute_script(SEEN, "theme") and phone.execute_script(CONTRAST) == []
    for name in ("tab-details", "tab-edit", "tab-history", "tab-prompt"):
        phone.find_element(By.ID, name).click()
        assert phone.execute_script(SEEN, "canvas")
    assert phone.execute_script(SEEN, "prompt")


def test_on_a_phone_a_thumb_paints_and_two_fingers_zoom(phone):
    wait(phone, lambda: phone.find_elements(By.CSS_SELECTOR, "#strip img"))
    phone.find_element(By.ID, "tab-edit").click()
    for name in ("brush", "undo", "redo", "erase", "apply"):
        assert phone.execute_script(SEEN, name), name
    x, y = middle(phone)
    touch(phone, "touchStart", (x, y))
    touch(phone, "touchMove", (x + 30, y + 10))
    touch(phone, "touchEnd")
    wait(phone, lambda: enabled(phone, "undo"))
    painted = saved(phone)
    assert 0 < painted.mean() < 0.3
    zoom = text(phone, "corner-zoom")
    touch(phone, "touchStart", (x - 20, y))
    touch(phone, "touchStart", (x - 20, y), (x + 20, y))
    touch(phone, "touchMove", (x - 60, y), (x + 60, y))
    touch(phone, "touchEnd", (x - 60, y))
    touch(phone, "touchMove", (x - 10, y + 40))
    touch(phone, "touchEnd")
    wait(phone, lambda: text(phone, "corner-zoom") != zoom)
    assert np.array_equal(saved(phone), painted)
    phone.execute_script("document.getElementById('candidates').value = 1")
    phone.find_element(By.ID, "apply").click()
    record = phone.find_element(By.ID, "record")
    wait(phone, lambda: "inpaint" in record.get_property("textContent"))
    assert phone.execute_script(SEEN, "canvas") and phone.execute_script(COVERED) == []


def test_strokes_are_taken_back_and_made_again(page):
    generate(page, CHEST, 1, seed=41)
    page.find_element(By.ID, "tab-edit").click()
    assert not enabled(page, "undo") and not enabled(page, "redo")
    masks = []
    for dx, dy in ((40, 0), (0, 40), (-40, 10)):
        stroke(page, (dx, dy))
        masks.append(saved(page))
    assert masks[0].sum() < masks[1].sum() < masks[2].sum()
    click(page, "undo")
    assert np.array_equal(saved(page), masks[1]) and enabled(page, "redo")
    page.find_element(By.ID, "canvas").send_keys(Keys.CONTROL, "z")
    assert np.array_equal(saved(page), masks[0])
    page.find_element(By.ID, "canvas").send_keys(Keys.CONTROL, Keys.SHIFT, "z")
    click(page, "redo")
    assert np.array_equal(saved(page), masks[2]) and not enabled(page, "redo")
    click(page, "wipe")
    assert not enabled(page, "mask-save")
    click(page, "undo")
    assert np.array_equal(saved(page), masks[2])
    click(page, "whole")
    assert saved(page).all()
    for _ in range(4):
        click(page, "undo")
    assert not enabled(page, "undo") and not enabled(page, "mask-save")
    stroke(page, (10, 0))
    assert not enabled(page, "redo")


def test_many_strokes_are_kept_though_the_oldest_stay(page):
    generate(page, CHEST, 1, seed=41)
    page.find_element(By.ID, "tab-edit").click()
    page.execute_script("document.getElementById('brush').value = 2")
    for n in range(64):
        stroke(page, (n - 32, 20))
    whole = saved(page)
    for _ in range(70):
        click(page, "undo")
    left = saved(page)
    assert 0 < left.sum() < whole.sum() and not enabled(page, "undo")
    for _ in range(70):
        click(page, "redo")
    assert np.array_equal(saved(page), whole)


@pytest.mark.parametrize("kind", ["white", "transparent"])
def test_a_mask_is_loaded_as_the_server_reads_it(page, tmp_path, kind):
    generate(page, CHEST, 1, seed=42)
    before, _ = levels(page)
    page.find_element(By.ID, "tab-edit").click()
    mask = np.zeros(before.shape, np.uint8)
    mask[60:100, 50:90] = 255
    picture = Picture.fromarray(mask)
    if kind == "transparent":
        picture = Picture.fromarray(np.dstack([mask * 0] * 3 + [255 - mask]))
    picture.save(tmp_path / "mask.png")
    page.find_element(By.ID, "mask-file").send_keys(str(tmp_path / "mask.png"))
    wait(page, lambda: enabled(page, "mask-save"))
    assert np.array_equal(saved(page), mask > 0)
    Picture.fromarray(mask[:9, :9]).save(tmp_path / "small.png")
    page.find_element(By.ID, "mask-file").send_keys(str(tmp_path / "small.png"))
    wait(page, lambda: "mask" in text(page, "edit-problem"))
    assert np.array_equal(saved(page), mask > 0)
    page.execute_script("document.getElementById('candidates').value = 1")
    page.find_element(By.ID, "apply").click()
    record = page.find_element(By.ID, "record")
    wait(page, lambda: "inpaint" in record.get_property("textContent"))
    after, _ = levels(page)
    changed = after != before
    assert changed.any() and not changed[mask == 0].any()


def test_a_batch_comes_as_zip(page):
    generate(page, CHEST, 2, seed=43)
    address = page.find_element(By.ID, "save-zip").get_attribute("href")
    cookies = {c["name"]: c["value"] for c in page.get_cookies()}
    with zipfile.ZipFile(io.BytesIO(httpx.get(address, cookies=cookies).content)) as file:
        assert {"01-generate-43.png", "02-generate-44.png", "contact-sheet.png"} < {
            *file.namelist()
        }


def sure(page, name, yes):
    click(page, name)
    wait(page, lambda: page.find_element(By.ID, "sure").is_displayed())
    buttons = page.find_elements(By.CSS_SELECTOR, "#sure button")
    buttons[1 if yes else 0].click()
    wait(page, lambda: not page.find_element(By.ID, "sure").is_displayed())


def batches(page):
    return len(page.find_elements(By.CSS_SELECTOR, "#batches button"))


def test_an_image_an_upload_and_everything_are_deleted(page, server, tmp_path):
    kept = server.log.parent / "data" / "images"
    generate(page, CHEST, 3, seed=54)
    before = len(list(kept.glob("*/*")))
    page.find_element(By.ID, "tab-details").click()
    sure(page, "delete", yes=False)
    assert len(page.find_elements(By.CSS_SELECTOR, "#strip img")) == 3
    sure(page, "delete", yes=True)
    wait(page, lambda: len(page.find_elements(By.CSS_SELECTOR, "#strip img")) == 2)
    wait(page, lambda: "seed 55" in text(page, "corner-name"))
    assert len(list(kept.glob("*/*"))) == before - 1
    rng = np.random.default_rng(1)
    Picture.fromarray(rng.integers(0, 255, (40, 50), np.uint8)).save(tmp_path / "mine.png")
    page.find_element(By.ID, "file").send_keys(str(tmp_path / "mine.png"))
    wait(page, lambda: "UPLOADED" in text(page, "corner-mark"))
    assert page.find_element(By.ID, "save-zip").get_attribute("aria-disabled") == "true"
    number = batches(page)
    sure(page, "delete", yes=True)
    wait(page, lambda: text(page, "corner-name") == "" and batches(page) == number - 1)
    assert len(list(kept.glob("*/*"))) == before - 1
    page.find_element(By.ID, "tab-history").click()
    sure(page, "delete-everything", yes=True)
    wait(page, lambda: batches(page) == 0 and "Nothing found" in text(page, "batches"))
    until = time.monotonic() + 20
    while list(kept.glob("*/*")) and time.monotonic() < until:
        time.sleep(0.05)
    assert not list(kept.glob("*/*")) and page.find_element(By.ID, "empty").is_displayed()
