"""A browser opens six connections to one server: pages that wait for their songs must not take them all."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser.test_form import ARGUMENTS
from tests.needs import program
from tests.servers.gateway import free_port, until
from tests.servers.web import GOOD, process

pytestmark = pytest.mark.browser
PATIENCE = 60_000  # ms


def test_a_seventh_page_opens_beside_six_that_wait(tmp_path: Path) -> None:
    chromium = program("chromium")
    with process(tmp_path, port=free_port()) as web, sync_playwright() as playwright:
        jobs = [web.client.post("/v1/jobs", json=GOOD).json()["id"] for _ in range(7)]
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        context = browser.new_context(base_url=web.url)
        context.set_default_timeout(PATIENCE)
        pages = [context.new_page() for _ in jobs]
        for page, job in zip(pages, jobs, strict=True):
            page.goto(f"/songs/{job}")
            expect(page.locator("[data-stage]")).to_have_text(f"Number {jobs.index(job) + 1} in the queue")
        asking = [page for page in pages if page.locator("[data-asks]").count()]
        until(lambda: len([page for page in pages if page.locator("[data-asks]").count()]) == 4, "four ask")
        assert len(asking) <= 4, "three pages hold a stream"
        for job in jobs:  # each page hears of its own end, by a stream or by asking
            web.client.post(f"/v1/jobs/{job}/cancel")
        for page in pages:
            expect(page.locator("main")).to_contain_text("Cancelled.", timeout=PATIENCE)
        pages[0].goto("/")
        expect(pages[0].locator("h1")).to_be_visible()
        browser.close()
