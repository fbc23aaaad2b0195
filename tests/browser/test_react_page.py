"""The React page in a browser: a form that becomes the progress of its job, then the report; a job that has failed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support import axe
from tests.support.held import held
from tests.support.pages import assert_fits, assert_not_reloaded, mark
from tests.support.processes import Worker

pytestmark = pytest.mark.django_db(transaction=True)

OpenPage = Callable[..., Page]
TakePicture = Callable[[Page, str], None]

SERIOUS = """async () => {
    const found = await axe.run(document, { resultTypes: ["violations"] });
    return found.violations.filter(({ impact }) => ["serious", "critical"].includes(impact))
        .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
}"""
TRANSPARENT = "rgba(0, 0, 0, 0)"
#: Keeps the log lines that were shown: the progress has the last few, and is gone soon after the end.
KEEP_LINES = """() => {
    window.shown = new Set();
    const look = () => document.querySelectorAll(".jobs-flow-lines li").forEach((line) => shown.add(line.textContent));
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


def serious_faults(page: Page) -> list[str]:
    page.evaluate(f"() => {{ {axe.source()} }}")
    found: list[str] = page.evaluate(SERIOUS)
    return found


class TestReport:
    def test_takes_the_place_of_the_form_and_gives_it_back(
        self, open_page: OpenPage, worker: Worker, take_picture: TakePicture
    ) -> None:
        page = open_page("/react/")
        mark(page)
        page.evaluate(KEEP_LINES)
        take_picture(page, "react-form")
        with held(worker):
            page.get_by_role("button", name="Make the report").click()
            expect(page.get_by_role("progressbar")).to_have_count(2)
            expect(page.get_by_role("button", name="Make the report")).to_have_count(0)
            take_picture(page, "react-progress")

        report = page.get_by_role("article")
        expect(report.get_by_role("heading", name="Seattle, 2012 to 2015")).to_be_visible(timeout=60_000)
        expect(page.get_by_text("Weather: Seattle is ready.")).to_be_visible()
        expect(report.get_by_role("img")).to_have_count(5)
        assert any(line.strip() for line in page.evaluate("[...shown]"))

        # The tree, with the keyboard: the panel is that of the task that is chosen.
        page.get_by_role("treeitem").first.focus()
        page.keyboard.press("l")
        page.keyboard.press("Enter")
        expect(page.get_by_role("region", name="load").get_by_text("1461 readings")).to_be_visible()
        page.keyboard.press("w")
        page.keyboard.press("Enter")
        panel = page.get_by_role("region", name="wind")
        expect(panel.get_by_text("Days over 8 m/s")).to_be_visible()
        assert serious_faults(page) == []
        take_picture(page, "react-report")

        page.set_viewport_size({"width": 360, "height": 740})
        page.emulate_media(color_scheme="dark")
        assert_fits(page)
        assert serious_faults(page) == []
        take_picture(page, "react-phone")
        assert_not_reloaded(page)

        page.get_by_role("button", name="Another report").click()
        expect(page.get_by_role("button", name="Make the report")).to_be_visible()


def open_failed(open_page: OpenPage, cookie: dict[str, Any]) -> Page:
    """The page of that user with a job that has failed."""
    page = open_page("/behaviours/", cookie=cookie)
    page.get_by_role("button", name="Run Failing").click()
    expect(page).to_have_url(re.compile("instance="))
    instance = page.url.partition("instance=")[2]
    page.goto(page.url.partition("/behaviours/")[0] + f"/react/?instance={instance}")
    expect(page.get_by_role("alert")).to_have_text(
        re.compile("reserve failed: There are no more umbrellas."), timeout=60_000
    )
    return page


def destroy(page: Page) -> Locator:
    """Ask for it, and confirm it; what was asked."""
    page.get_by_role("button", name="Destroy…").click()
    question = page.get_by_role("group", name="Destroy this workflow?")
    question.get_by_role("button", name="Destroy").click()
    return question


class TestFailure:
    def test_is_shown_with_a_way_back(
        self, session: dict[str, Any], open_page: OpenPage, worker: Worker, take_picture: TakePicture
    ) -> None:
        page = open_failed(open_page, session)
        # What the page leaves to the style sheet is still a colour after its build.
        track = page.get_by_role("progressbar").first
        expect(track).not_to_have_css("background-color", TRANSPARENT)
        assert serious_faults(page) == []
        take_picture(page, "react-failed")
        page.get_by_role("button", name="Back").click()
        expect(page.get_by_role("button", name="Make the report")).to_be_visible()
        assert "instance=" not in page.url


class TestCommands:
    @pytest.fixture
    def superuser(self, sign_in: Callable[..., dict[str, Any]]) -> dict[str, Any]:
        return sign_in("grace", is_superuser=True)

    def test_what_is_taken_away_is_asked_first(
        self, superuser: dict[str, Any], open_page: OpenPage, worker: Worker, take_picture: TakePicture
    ) -> None:
        page = open_failed(open_page, superuser)
        whole = page.get_by_role("treeitem").first
        question = page.get_by_role("group", name="Reset all tasks?")

        page.get_by_role("button", name="Reset…").click()
        expect(question).to_be_focused()
        assert serious_faults(page) == []
        take_picture(page, "react-reset")
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Reset…")).to_be_focused()
        expect(whole).to_have_attribute("data-status", "failed")

        page.keyboard.press("Enter")
        question.get_by_role("button", name="Reset").click()
        expect(whole).to_have_attribute("data-status", "inactive")
        expect(page.get_by_role("alert")).to_have_count(0)

        destroy(page)
        expect(whole).to_have_attribute("data-status", "deleted")
        expect(page.get_by_role("alert")).to_have_text(re.compile("This workflow has been removed."))
        expect(page.get_by_role("button", name="Run all")).to_have_count(0)
        assert serious_faults(page) == []
        take_picture(page, "react-destroyed")

    def test_what_is_refused_says_why(
        self, session: dict[str, Any], open_page: OpenPage, worker: Worker, take_picture: TakePicture
    ) -> None:
        page = open_failed(open_page, session)
        page.set_viewport_size({"width": 360, "height": 740})
        page.emulate_media(color_scheme="dark")

        # Whose it is may run and reset it; to remove it is a permission of its own.
        expect(destroy(page).get_by_role("alert")).to_have_text(re.compile("may not destroy it"))
        assert_fits(page)
        assert serious_faults(page) == []
        take_picture(page, "react-refused-phone")
        expect(page.get_by_role("treeitem").first).to_have_attribute("data-status", "failed")
