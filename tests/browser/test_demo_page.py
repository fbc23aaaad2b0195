"""The page of the demo in a real browser: a form, its progress, its result, and no reload in between."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.held import held
from tests.support.pages import assert_fits, assert_not_reloaded, mark, unanswered
from tests.support.processes import Worker

pytestmark = pytest.mark.django_db(transaction=True)

PATHS = [
    "#.load",
    "#.measures",
    *("#.measures.temperature", "#.measures.temperature.curve", "#.measures.temperature.extremes"),
    *("#.measures.rain", "#.measures.rain.amounts", "#.measures.rain.spells"),
    "#.measures.wind",
    *("#.measures.sky", "#.measures.sky.kinds", "#.measures.sky.snow"),
    "#.measures.hours",
    "#.report",
]
#: Where the page asks for what takes the place of the progress.
RESULT = "**/reports/*/area/"


class TestReport:
    @pytest.mark.usefixtures("database")
    def test_every_task_turns_ok_and_the_report_takes_its_place_without_a_reload(
        self, open_page: Callable[..., Page], worker: Worker, take_picture: Callable[[Page, str], None]
    ) -> None:
        page = open_page("/")
        mark(page)
        take_picture(page, "weather-form")
        progress = page.locator("jobs-flow-progress")
        with unanswered(page, RESULT):
            with held(worker):
                page.get_by_role("button", name="Make the report").click()
                expect(progress).to_be_visible()
                expect(page).to_have_url(re.compile(r"/reports/[0-9a-f-]{36}/$"))
            expect(progress.get_by_text("1461 readings")).to_be_visible(timeout=60_000)
            take_picture(page, "weather-progress")

        report = page.get_by_role("article")
        expect(report.get_by_role("heading", name="Seattle, 2012 to 2015")).to_be_visible(timeout=60_000)
        assert_not_reloaded(page)
        seen = page.evaluate("window.seen")
        assert list(seen) == PATHS
        assert {path: statuses[-1] for path, statuses in seen.items()} == dict.fromkeys(PATHS, "ok")
        # Not of each: what changes faster than it can be sent is merged.
        assert sum("running" in statuses for statuses in seen.values()) >= len(PATHS) / 2, seen
        plots = report.get_by_role("img")
        expect(plots).to_have_count(5)
        for index in range(5):
            expect(plots.nth(index)).to_have_js_property("complete", True)
            assert plots.nth(index).evaluate("image => image.naturalWidth") > 1000
        expect(page.locator("#latest").get_by_text("Done")).to_be_visible()
        take_picture(page, "weather-report")

    def test_the_address_shows_the_same_report_again(
        self, open_page: Callable[..., Page], worker: Worker, take_picture: Callable[[Page, str], None]
    ) -> None:
        page = open_page("/", viewport={"width": 360, "height": 740}, color_scheme="dark")
        page.get_by_label("Year").select_option("2015")
        page.get_by_label("Rain and dry spells too").uncheck()
        assert_fits(page)
        take_picture(page, "weather-form-phone")
        with unanswered(page, RESULT):
            with held(worker):
                page.get_by_role("button", name="Make the report").click()
                expect(page.locator("jobs-flow-progress")).to_be_visible()
            expect(page.locator("jobs-flow-progress").get_by_text("365 readings")).to_be_visible(timeout=60_000)
            assert_fits(page)
            take_picture(page, "weather-progress-phone")
        heading = page.get_by_role("heading", name="Seattle, 2015")
        expect(heading).to_be_visible(timeout=60_000)
        seen = page.evaluate("window.seen")
        skipped = [path for path, statuses in seen.items() if statuses[-1] == "skipped"]
        rain = ["#.measures.rain", "#.measures.rain.amounts", "#.measures.rain.spells"]
        assert skipped == [*rain, "#.measures.sky.snow"]
        assert_fits(page)
        take_picture(page, "weather-report-phone")
        page.reload()
        expect(heading).to_be_visible()
        expect(page.get_by_role("heading", name="Rain")).to_have_count(0)

    def test_what_is_wrong_with_a_file_is_said_in_place(
        self, open_page: Callable[..., Page], worker: Worker, take_picture: Callable[[Page, str], None]
    ) -> None:
        page = open_page("/")
        mark(page)
        self.send(page, b"")
        expect(page.get_by_text("The submitted file is empty.")).to_be_visible()
        # While it is at work: the page of one that has failed says it twice.
        with held(worker):
            self.send(page, b"day,degrees\n1,2\n")
            expect(page.locator("jobs-flow-progress")).to_be_visible()
        expect(page.get_by_role("alert")).to_contain_text("The file has no column 'date'", timeout=60_000)
        expect(page.get_by_role("link", name="Try another")).to_be_visible()
        assert_not_reloaded(page)
        take_picture(page, "weather-failed")
        page.reload()
        expect(page.get_by_text("There is no report")).to_be_visible()
        take_picture(page, "weather-failed-again")

    @staticmethod
    def send(page: Page, content: bytes) -> None:
        """Send the form with a file."""
        file = {"name": "mine.csv", "mimeType": "text/csv", "buffer": content}
        page.get_by_label("Readings of your own").set_input_files([file])  # type: ignore[list-item]
        page.get_by_role("button", name="Make the report").click()


class TestBehaviours:
    def test_all_six(
        self, open_page: Callable[..., Page], worker: Worker, take_picture: Callable[[Page, str], None]
    ) -> None:
        page = open_page("/behaviours/")
        mark(page)
        # Of one that is over by the time that the page is answered, no progress is shown.
        with held(worker):
            for name in ("Ok", "Context", "Skipped", "Failing", "Raising", "Parallel"):
                page.get_by_role("button", name=f"Run {name}").click()
            expect(page.locator("jobs-flow-progress")).to_have_count(6)
        take_picture(page, "behaviours-progress")
        expected = {
            "ok": "42",
            "context": "Ada: 3 items at 7.5, 22.5 in all",
            "skipped": "2 parcels by bicycle",
            "failing": "There are no more umbrellas.",
            "raising": "division by zero",
            "parallel": '"total": 32',
        }
        for slug, text in expected.items():
            expect(page.locator(f"#area-{slug}")).to_contain_text(text, timeout=60_000)
        assert_not_reloaded(page)
        take_picture(page, "behaviours")
        page.set_viewport_size({"width": 360, "height": 740})
        assert_fits(page)
        take_picture(page, "behaviours-phone")


class TestWithoutScript:
    def test_a_report_can_be_made_all_the_same(
        self, site: str, session: dict[str, Any], browser: Browser, worker: Worker
    ) -> None:
        context = browser.new_context(java_script_enabled=False)
        context.add_cookies([{**session, "url": site}])
        page = context.new_page()
        page.goto(f"{site}/")
        page.get_by_role("button", name="Make the report").click()
        expect(page).to_have_url(re.compile(r"/reports/[0-9a-f-]{36}/$"))
        worker.wait_for_output(r"weather_report\.report\[\S+\] succeeded", 60)
        page.reload()
        expect(page.get_by_role("heading", name="Seattle, 2012 to 2015")).to_be_visible()
        context.close()
