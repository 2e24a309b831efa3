"""The way from the form to the song in real Chromium, against a whole Tutti."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.needs import program
from tests.servers.tutti import Tutti, running

pytestmark = pytest.mark.browser

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
]
SONG_MS = 120_000
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
DECODE = """async (address) => {
  const answer = await fetch(address), bytes = await answer.arrayBuffer();
  const sound = await new OfflineAudioContext(2, 48000, 48000).decodeAudioData(bytes);
  const left = sound.getChannelData(0);
  return {seconds: sound.duration, loudest: left.reduce((most, value) => Math.max(most, Math.abs(value)), 0)};
}"""


@pytest.fixture(scope="module")
def tutti(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tutti]:
    with running(tmp_path_factory.mktemp("tutti")) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = program("chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield opened
        opened.close()


def until(page: Page, condition: str) -> None:
    """Ask until the expression is true; `wait_for_function` would need `eval`, which the CSP refuses."""
    deadline = time.monotonic() + SONG_MS / 1000
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(50)


class Visitor:
    """A page that remembers what the browser complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda said: said.type == "error" and self.complaints.append(said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def ask(self, prompt: str, seconds: str = "10") -> None:
        self.page.fill("#prompt", prompt)
        self.page.fill("#duration", seconds)
        self.page.get_by_role("button", name="Make the song").click()
        self.page.wait_for_url("**/songs/a_*")


@pytest.fixture
def visit(tutti: Tutti, browser: Browser) -> Iterator[Visitor]:
    context = browser.new_context(base_url=tutti.url, viewport=DESKTOP)
    visitor = Visitor(context.new_page())
    yield visitor
    context.close()
    assert visitor.complaints == []


def test_a_song_from_the_form_moves_plays_and_decodes(visit: Visitor, tutti: Tutti):
    page = visit.page
    page.goto("/")
    page.get_by_role("button", name="Waltz").click()
    expect(page.locator("#prompt")).to_have_value(
        "A melancholic piano waltz in A minor, 3/4, gentle and slow"
    )
    visit.ask("A calm piano waltz in A minor, slow", "60")
    page.wait_for_selector("[data-player][data-ready]", timeout=SONG_MS)
    address = page.locator("audio").get_attribute("src")
    sound = page.evaluate(DECODE, address)
    assert sound["seconds"] == pytest.approx(60, abs=0.001)
    assert 0.1 < sound["loudest"] <= 1.0
    page.get_by_role("button", name="Play").click()
    until(page, "document.querySelector('audio').currentTime > 0.2")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.get_by_role("slider", name="Position").fill("30")
    until(page, "document.querySelector('audio').currentTime >= 30")


def test_the_progress_that_a_browser_shows_only_grows(visit: Visitor):
    page = visit.page
    page.goto("/")
    page.evaluate("() => { window.name = ''; }")
    page.add_init_script(
        """addEventListener('DOMContentLoaded', () => {
          const bar = document.querySelector('[data-bar]');
          const note = () => { window.name += bar.value + ' '; };
          if (bar) new MutationObserver(note).observe(bar, {attributes: true});
        });"""
    )
    visit.ask("Orchestral film music with a long development", "600")
    page.wait_for_selector("[data-player]", timeout=SONG_MS)
    shown = [float(value) for value in page.evaluate("window.name").split()]
    assert len(set(shown)) >= 2
    assert shown == sorted(shown)


def test_the_score_and_the_song_are_downloads(visit: Visitor):
    page = visit.page
    page.goto("/")
    visit.ask("Cheerful ukulele and whistling", "8")
    page.wait_for_selector("[data-player][data-ready]", timeout=SONG_MS)
    for name, start in (("WAV", b"RIFF"), ("Score", b"MThd")):
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        assert Path(download.value.path()).read_bytes().startswith(start)


def test_settings_are_kept_and_faults_are_told_where_they_are(visit: Visitor):
    page = visit.page
    page.goto("/")
    page.get_by_text("Tempo, key and more").click()
    page.fill("#bpm", "92")
    page.select_option("#key_scale", "D minor")
    page.get_by_role("button", name="Draw a seed").click()
    seed = page.input_value("#seed")
    assert seed.isdigit()
    visit.ask("Slow blues guitar", "8")
    page.wait_for_selector("[data-player]", timeout=SONG_MS)
    page.get_by_role("link", name="Use these settings").click()
    assert page.input_value("#bpm") == "92"
    assert page.input_value("#key_scale") == "D minor"
    assert page.input_value("#seed") == seed
    page.evaluate("document.querySelector('form').noValidate = true")
    page.fill("#duration", "5000")
    page.get_by_role("button", name="Make the song").click()
    expect(page.locator("#duration-fault")).to_have_text("The length has to be 600 or less.")
    assert page.locator("#duration").get_attribute("aria-invalid") == "true"
    assert page.evaluate("document.activeElement.matches('[role=alert]')")
    visit.complaints.clear()  # Chromium itself reports the 422


def test_the_form_is_sent_by_the_keyboard_alone(visit: Visitor):
    page = visit.page
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.locator("#prompt").focus()
    page.keyboard.type("Quiet ambient pads")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/songs/a_*")


def test_cancel_ends_a_song_in_the_making(visit: Visitor):
    page = visit.page
    page.goto("/")
    visit.ask("An endless symphony in many parts", "600")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled.")).to_be_visible(timeout=20_000)
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_without_javascript_a_song_is_a_refresh_away(tutti: Tutti, browser: Browser):
    context = browser.new_context(base_url=tutti.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/")
    page.fill("#prompt", "A short folk tune with fiddle")
    page.fill("#duration", "8")
    page.get_by_role("button", name="Make the song").click()
    page.wait_for_url("**/songs/a_*")
    page.wait_for_selector("audio[controls]", timeout=SONG_MS)  # the page refreshes by itself
    assert page.get_by_role("link", name="WAV").is_visible()
    page.goto("/songs")
    expect(page.get_by_text("A short folk tune with fiddle")).to_be_visible()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_no_page_is_wider_than_the_screen(tutti: Tutti, browser: Browser, size, scheme, tmp_path):
    context = browser.new_context(base_url=tutti.url, viewport=size, color_scheme=scheme)
    visitor = Visitor(context.new_page())
    page = visitor.page
    page.goto("/")
    visitor.ask("Donaudampfschifffahrtsgesellschaft" * 4 + " march", "8")
    page.wait_for_selector("[data-player][data-ready]", timeout=SONG_MS)
    song = page.url
    for number, address in enumerate(("/", song, "/songs", "/docs")):
        page.goto(address)
        page.screenshot(path=tmp_path / f"{number}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, address
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 18, 16)"
    assert dark == (scheme == "dark")
    context.close()
    assert visitor.complaints == []


def test_one_trace_id_leads_from_the_click_to_the_file(visit: Visitor, tutti: Tutti):
    page = visit.page
    page.goto("/")
    visit.ask("A slow harp lullaby in F major", "8")
    page.wait_for_selector("[data-player][data-ready]", timeout=SONG_MS)
    trace = page.locator(".trace").inner_text().removeprefix("Trace ")
    with page.expect_download() as download:
        page.get_by_role("link", name="WAV").click()

    job = tutti.job(page.url.rsplit("/", 1)[1])
    assert job["trace_id"] == trace
    (song,) = (output for output in job["outputs"] if output["format"] == "wav")
    assert song["sha256"] == hashlib.sha256(Path(download.value.path()).read_bytes()).hexdigest()
    wanted = {
        "nginx": {("http.request", "POST", None)},
        "web": {("job.accepted", None, job["id"])},
        "worker": {("job.started", None, job["id"]), ("job.succeeded", None, job["id"])},
    }
    deadline = time.monotonic() + 20
    while not all(steps <= told(tutti, part, trace) for part, steps in wanted.items()):
        assert time.monotonic() < deadline, {part: told(tutti, part, trace) for part in wanted}
        page.wait_for_timeout(100)


def told(tutti: Tutti, part: str, trace: str) -> set[tuple[str, str | None, str | None]]:
    """What a part's lines of this trace tell: action, HTTP method, job."""
    lines = map(json.loads, (tutti.data / "log" / f"{part}.jsonl").read_bytes().splitlines())
    return {
        (
            line["event"]["action"],
            line.get("http", {}).get("request", {}).get("method"),
            line.get("tutti", {}).get("job", {}).get("id") or None,
        )
        for line in lines
        if line.get("trace", {}).get("id") == trace
    }
