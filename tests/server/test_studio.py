"""The studio in Debian's Chromium, as a person uses it."""

import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.server.conftest import Running

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
CHEST = "chest x-ray, PA view, adult, normal"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
CONTRAST = """
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const light = (rgb) => rgb.slice(0, 3).map((v) => v / 255)
  .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const ground = (node) => {
  for (let at = node; at; at = at.parentElement) {
    const colour = parse(getComputedStyle(at).backgroundColor);
    if (colour.length === 3 || colour[3] > 0.5) return colour;
  }
  return [255, 255, 255];
};
const poor = [];
for (const node of document.querySelectorAll("body *")) {
  const own = [...node.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim());
  if (!own || !node.checkVisibility() || node.closest("[aria-disabled=true], :disabled")) continue;
  const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) poor.push(`${node.tagName} ${node.id} ${node.className}: ${ratio.toFixed(2)}`);
}
return poor;
"""
UNNAMED = """
return [...document.querySelectorAll("input, select, textarea, button, a, canvas, progress")]
  .filter((n) => !(n.labels?.length || n.textContent.trim() || n.getAttribute("aria-label")))
  .map((n) => n.outerHTML.slice(0, 80));
"""
INK = """
const c = document.getElementById("canvas");
const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
let sum = 0;
for (let i = 0; i < d.length; i += 4) sum += d[i];
return sum / (d.length / 4);
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("studio") / "data")
    yield running
    assert running.stop(signal.SIGTERM) == 0
    assert "Traceback" not in running.log.read_text()


@pytest.fixture(scope="module")
def browser():
    if not (CHROMIUM.exists() and DRIVER.exists()):
        pytest.skip("Chromium is not installed (Debian's packages chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=Service(str(DRIVER))) as opened:
        opened.set_window_size(1280, 940)
        yield opened


@pytest.fixture
def page(browser, server):
    browser.get(server.url)
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#batches li"))
    yield browser
    told = [e for e in browser.get_log("browser") if e["level"] == "SEVERE"]
    assert all("429" in e["message"] or "400" in e["message"] for e in told), told


def wait(browser, condition):
    return WebDriverWait(browser, 60, poll_frequency=0.05).until(lambda _: condition())


def text(page, name):
    return page.find_element(By.ID, name).text


def write(page, prompt):
    box = page.find_element(By.ID, "prompt")
    box.send_keys(Keys.CONTROL, "a")
    box.send_keys(prompt)


def generate(page, prompt, count, seed=3):
    write(page, prompt)
    for name, value in (("count", count), ("seed", seed), ("steps", 1)):
        page.execute_script(f"document.getElementById('{name}').value = '{value}'")
    page.find_element(By.ID, "prompt").send_keys(Keys.CONTROL, Keys.ENTER)
    shown = f"seed {seed}"
    done = "#strip img"
    wait(page, lambda: len(page.find_elements(By.CSS_SELECTOR, done)) == count)
    wait(page, lambda: text(page, "corner-name").endswith(shown))


def test_a_prompt_is_explained_while_it_is_typed(page):
    write(page, "chest x-ray, no pneumothorax, tuberculsis, skull")
    wait(page, lambda: page.find_elements(By.CSS_SELECTOR, "#chips .unknown"))
    chips = text(page, "chips")
    assert "no pneumothorax" in chips and "not understood" in chips
    wait(page, lambda: "Draws:" in text(page, "canonical"))
    page.find_element(By.CSS_SELECTOR, "#chips .unknown button").click()
    wait(page, lambda: not page.find_elements(By.CSS_SELECTOR, "#chips .unknown"))
    assert "tuberculosis" in page.find_element(By.ID, "prompt").get_property("value")
    write(page, "blorp")
    wait(page, lambda: "nothing to draw" in text(page, "warnings"))


def test_a_prompt_becomes_images_with_all_their_provenance(page):
    generate(page, CHEST, 2)
    assert page.execute_script(INK) > 10
    record = text(page, "record")
    for words in (CHEST, "finding:normal", "radsmith-default", "Not for diagnosis", "multistep"):
        assert words in record
    assert "NOT FOR DIAGNOSIS" in text(page, "mark")
    page.find_element(By.TAG_NAME, "body").send_keys("]")
    wait(page, lambda: text(page, "corner-name").endswith("seed 4"))
    fetched = """
      const done = arguments[arguments.length - 1];
      Promise.all(["save-png", "save-png16", "save-dicom"].map(async (id) => {
        const answer = await fetch(document.getElementById(id).href);
        const bytes = new Uint8Array(await answer.arrayBuffer());
        return [answer.headers.get("content-disposition"), bytes[24], bytes[128]];
      })).then(done);
    """
    png, png16, dicom = page.execute_async_script(fetched)
    assert png[0].startswith("attachment") and png[1] == 8 and png16[1] == 16
    assert dicom[0].endswith('.dcm"') and dicom[2] == ord("D")


def test_window_zoom_pan_and_invert(page):
    generate(page, "axial brain mri, T1", 1)
    canvas = page.find_element(By.ID, "canvas")

    def drag(dx, dy):
        ActionChains(page, duration=0).move_to_element(canvas).click_and_hold().move_by_offset(
            dx, dy
        ).release().perform()

    before = text(page, "corner-window")
    drag(-80, 30)
    assert text(page, "corner-window") != before
    bright = page.execute_script(INK)
    page.find_element(By.TAG_NAME, "body").send_keys("i")
    assert page.execute_script(INK) != bright
    zoom = text(page, "corner-zoom").split()[-2]
    page.find_element(By.CSS_SELECTOR, "[data-tool=zoom]").click()
    drag(0, -60)
    assert int(text(page, "corner-zoom").split()[-2]) > int(zoom)
    page.find_element(By.ID, "reset").click()
    assert text(page, "corner-window") == before
    assert text(page, "corner-zoom").split()[-2] == zoom


def test_history_is_searched_and_opened_again(page):
    generate(page, "knee x-ray, severe osteoarthritis", 1, seed=11)
    generate(page, CHEST, 1, seed=12)
    page.find_element(By.ID, "tab-history").click()
    page.find_element(By.ID, "search").send_keys("osteoarthritis")
    found = "#batches button"
    wait(page, lambda: len(page.find_elements(By.CSS_SELECTOR, found)) == 1)
    wait(page, lambda: "1 of 1" in text(page, "batches"))
    page.find_element(By.CSS_SELECTOR, found).click()
    wait(page, lambda: text(page, "corner-name").endswith("seed 11"))
    page.find_element(By.ID, "tab-details").click()
    page.find_element(By.ID, "reuse").click()
    assert page.find_element(By.ID, "seed").get_property("value") == "11"


def test_a_batch_is_cancelled_and_an_error_is_told(page):
    write(page, CHEST)
    page.execute_script("document.getElementById('count').value = 10")
    page.execute_script("document.getElementById('steps').value = 100")
    page.find_element(By.ID, "generate").click()
    wait(page, lambda: page.find_element(By.ID, "cancel").is_displayed())
    page.find_element(By.ID, "cancel").click()
    wait(page, lambda: "cancelled" in text(page, "strip"))
    write(page, "hand x-ray")
    page.execute_script("document.getElementById('strict').checked = true")
    page.find_element(By.ID, "generate").click()
    wait(page, lambda: "strict mode refuses" in text(page, "problem"))


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_contrast_and_names_meet_wcag_aa(page, theme):
    write(page, "chest x-ray, moderate effusion, no pneumothorax, tuberculsis, skull x-ray")
    wait(page, lambda: page.find_elements(By.CSS_SELECTOR, "#chips .unknown"))
    page.execute_script(f"document.documentElement.dataset.theme = '{theme}'")
    for tab in ("tab-details", "tab-edit", "tab-history"):
        page.find_element(By.ID, tab).click()
        assert page.execute_script(CONTRAST) == []
    assert page.execute_script(UNNAMED) == []


@pytest.mark.parametrize("size", [(1280, 800), (1024, 768), (768, 1024)])
def test_nothing_is_cut_off_on_a_laptop_or_tablet(page, size):
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        for name in ("generate", "canvas", "mark", "invert"):
            box = page.find_element(By.ID, name).rect
            assert box["x"] >= 0 and box["x"] + box["width"] <= size[0], name
            assert box["width"] > 0 and box["height"] > 0, name
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_nothing_is_asked_of_anybody_else(page, server):
    generate(page, CHEST, 1, seed=21)
    names = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    asked = page.execute_script(names)
    assert len(asked) > 8
    assert all(name.startswith((server.url, "blob:", "data:")) for name in asked), asked


def test_examples_cover_the_four_modalities(page):
    tags = {t.text for t in page.find_elements(By.CSS_SELECTOR, "#examples .tag")}
    assert tags == {"X-ray", "CT", "MRI", "Ultrasound"}
    for button in page.find_elements(By.CSS_SELECTOR, "#examples button"):
        button.click()
        prompt = page.find_element(By.ID, "prompt").get_property("value")
        assert prompt and prompt in button.text
        wait(page, lambda: "Draws:" in text(page, "canonical"))
    assert Select(page.find_element(By.ID, "size")).options


LEVELS = """
const done = arguments[arguments.length - 1];
const own = document.querySelector("#strip [aria-current=true] img").src.replace("/preview", "");
(async () => {
  const facts = await (await fetch(own)).json();
  const bytes = await (await fetch(own + "/pixels")).arrayBuffer();
  return [facts.width, facts.height, [...new Uint16Array(bytes)], facts.record.operation];
})().then(done);
"""


def levels(page):
    width, height, flat, operation = page.execute_async_script(LEVELS)
    return np.array(flat).reshape(height, width), operation


def stroke(page, *steps):
    canvas = page.find_element(By.ID, "canvas")
    actions = ActionChains(page, duration=0).move_to_element(canvas).click_and_hold()
    for dx, dy in steps:
        actions = actions.move_by_offset(dx, dy)
    actions.release().perform()


def split_at(page, share):
    page.execute_script(
        "const s = document.getElementById('split');"
        f"s.value = {share}; s.dispatchEvent(new Event('input'))"
    )


def apply(page, candidates, operation):
    page.execute_script(f"document.getElementById('candidates').value = {candidates}")
    page.find_element(By.ID, "apply").click()
    wait(page, lambda: operation in page.find_element(By.ID, "record").get_property("textContent"))
    wait(page, lambda: len(page.find_elements(By.CSS_SELECTOR, "#strip img")) == candidates)


def test_a_painted_region_is_drawn_anew_and_compared(page):
    generate(page, CHEST, 1, seed=31)
    before, _ = levels(page)
    page.find_element(By.ID, "tab-edit").click()
    page.find_element(By.ID, "apply").click()
    wait(page, lambda: "paint where" in text(page, "edit-problem"))
    stroke(page, (40, 0), (0, 40))
    apply(page, 2, "inpaint")
    after, operation = levels(page)
    changed = before != after
    assert operation == "inpaint" and 0 < changed.mean() < 0.3
    page.find_element(By.ID, "compare").click()
    shown = page.execute_script(INK)
    split_at(page, 1)
    assert page.execute_script(INK) != shown
    page.find_element(By.ID, "side-by-side").click()
    wait(page, lambda: len(page.find_elements(By.CSS_SELECTOR, "#grid img")) == 3)
    page.find_elements(By.CSS_SELECTOR, "#grid button")[1].click()
    assert not page.find_element(By.ID, "grid").is_displayed()


def test_a_frame_is_dragged_to_extend_an_image(page):
    generate(page, CHEST, 1, seed=32)
    before, _ = levels(page)
    page.find_element(By.ID, "tab-edit").click()
    page.find_element(By.CSS_SELECTOR, "[data-kind=outpaint]").click()
    stroke(page, (60, 40))
    right, bottom = (
        int(page.find_element(By.ID, n).get_property("value")) for n in ("right", "bottom")
    )
    assert right > 0 and bottom > 0
    apply(page, 1, "outpaint")
    after, _ = levels(page)
    height, width = before.shape
    assert after.shape == (height + bottom, width + right)
    assert np.array_equal(after[:height, :width], before)
    page.find_element(By.ID, "compare").click()
    split_at(page, 1)
    shown = page.execute_script(INK)
    split_at(page, 0)
    assert page.execute_script(INK) > shown  # what was drawn around it is gone from "before"
    page.find_element(By.ID, "compare").click()
    page.find_element(By.ID, "target").find_element(By.CSS_SELECTOR, "[value=trunk]").click()
    apply(page, 1, "extend")
    wait(page, lambda: page.find_element(By.ID, "compare").is_enabled())


def test_a_finding_is_added_and_an_image_varied(page):
    generate(page, CHEST, 1, seed=33)
    page.find_element(By.ID, "tab-edit").click()
    page.find_element(By.CSS_SELECTOR, "[data-kind=change]").click()
    page.find_element(By.ID, "finding").send_keys("pleural effusion@left")
    apply(page, 1, "change")
    assert "pleural effusion" in page.find_element(By.ID, "record").get_property("textContent")
    page.find_element(By.CSS_SELECTOR, "[data-kind=vary]").click()
    apply(page, 2, "vary")


def test_an_image_is_brought_and_marked_as_uploaded(page, tmp_path):
    rng = np.random.default_rng(0)
    Picture.fromarray(rng.integers(0, 255, (90, 110), np.uint8)).save(tmp_path / "mine.png")
    page.find_element(By.ID, "file").send_keys(str(tmp_path / "mine.png"))
    wait(page, lambda: "UPLOADED" in text(page, "corner-mark"))
    assert page.find_element(By.ID, "save-png").get_attribute("aria-disabled") == "true"
    page.find_element(By.ID, "edit-prompt").send_keys(CHEST)
    page.find_element(By.CSS_SELECTOR, "[data-kind=vary]").click()
    apply(page, 1, "vary")
    wait(page, lambda: "SYNTHETIC" in text(page, "corner-mark"))
    (tmp_path / "text.png").write_text("no image")
    page.find_element(By.ID, "file").send_keys(str(tmp_path / "text.png"))
    wait(page, lambda: "is no PNG" in text(page, "problem"))
