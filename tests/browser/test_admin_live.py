"""The admin in a real browser: the page of a run lives from its start to its end, and so does the last day's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client
from playwright.sync_api import APIResponse, Page, Route, expect, sync_playwright

from jobs_flow import Task
from jobs_flow.storages import create_storage
from jobs_flow.storages.records import Outcome
from jobs_flow_django.models import WorkflowInstance
from tests.support import axe
from tests.support.eventually import eventually
from tests.support.live import DrivenInstance, idle
from tests.support.processes import WebServer
from tests.support.servers import CHROMIUM_FLAGS

LIST = "/admin/jobs_flow_django/workflowinstance/"

pytestmark = pytest.mark.django_db(transaction=True)

RECORDER = """
  window.violations = [];
  document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""


@pytest.fixture
def session(transactional_db: None) -> dict[str, Any]:
    """The cookie of a superuser; asked for before the browser, whose event loop Django's ORM does not like."""
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("ada"))
    return {"name": settings.SESSION_COOKIE_NAME, "value": client.cookies[settings.SESSION_COOKIE_NAME].value}


@pytest.fixture
def driven(session: dict[str, Any], storage_url: str) -> Iterator[DrivenInstance]:
    """An instance that the test moves, as workers would."""
    storage = create_storage(storage_url)
    tasks = [
        Task("load", idle),
        Task("split", idle, subtasks=[Task("one", idle), Task("two", idle)]),
        Task("end", idle),
    ]
    made = DrivenInstance(storage, tasks, name="Watched").create()
    row = {"workflow": "driven", "name": "Watched", "fingerprint": made.plan.fingerprint, "status": "working"}
    WorkflowInstance.objects.create(id=made.id, **row)
    yield made
    storage.close()


@pytest.fixture
def web(driven: DrivenInstance, start_web: Callable[..., WebServer]) -> WebServer:
    """The site."""
    return start_web()


@pytest.fixture
def open_page(web: WebServer, session: dict[str, Any], chromium: Path) -> Iterator[Callable[..., Page]]:
    """A function that opens a page of the admin; afterwards no policy was violated and no script failed."""
    errors: list[str] = []
    pages: list[Page] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS), timeout=90_000)

        def open_at(path: str, **options: Any) -> Page:
            context = browser.new_context(
                **{"viewport": {"width": 1280, "height": 900}, "base_url": web.url, **options}
            )
            context.add_cookies([{**session, "url": web.url}])
            context.add_init_script(RECORDER)
            page = context.new_page()
            page.on("pageerror", lambda error: errors.append(str(error)))
            pages.append(page)
            page.goto(path)
            page.evaluate("window.marker = 'still the same page'")
            return page

        yield open_at
        violations = [page.evaluate("window.violations") for page in pages]
        browser.close()
    assert violations == [[]] * len(pages)
    assert errors == []


def status_of(page: Page, path: str) -> Any:
    return page.locator(f'tr[data-jf-path="{path}"] td > .jf-badge')


def assert_same_page(page: Page) -> None:
    assert page.evaluate("window.marker") == "still the same page"


def assert_accessible(page: Page) -> None:
    """axe finds nothing serious in what is ours of the page; the frame is Django's."""
    page.evaluate(f"() => {{ {axe.source()} }}")
    faults = page.evaluate(
        """async () => (await axe.run("#content-main", { resultTypes: ["violations"] })).violations
          .filter(({ impact }) => impact === "serious" || impact === "critical")
          .map(({ id, nodes }) => [id, nodes.slice(0, 3).map(({ html, failureSummary }) => [html, failureSummary])])"""
    )
    assert faults == []


class TestARun:
    def test_is_shown_from_its_start_to_its_end_without_a_reload(
        self, driven: DrivenInstance, open_page: Callable[..., Page], take_picture: Callable[[Page, str], None]
    ) -> None:
        page = open_page(f"{LIST}{driven.id}/change/")
        status = page.locator("#jf-status")
        expect(status).to_have_text("inactive")
        expect(page.locator("#jf-connection")).to_have_text("Live")
        expect(page.locator(".jf-commands").get_by_role("link", name="Cancel…")).to_have_count(0)

        # Started by somebody else: the page was watching.
        driven.start().claim("#.load")
        expect(status).to_have_text("working")
        expect(status_of(page, "#.load")).to_have_text("running")
        expect(page.get_by_role("link", name="Pause…")).to_be_visible()
        expect(page.locator(".jf-now").first).to_be_attached()

        # Another task is looked at, on the same page, and its log comes line by line.
        page.locator('tr[data-jf-path="#.load"] a').click()
        log = page.locator("#jf-log")
        expect(log).to_be_attached()
        lines = [f"line {number}" for number in range(60)]
        driven.log("#.load", *lines).progress("#.load", 0.4, "two of five")
        expect(log).to_contain_text("line 59")
        expect(page.locator(".jf-note").first).to_have_text("40 % · two of five")
        assert log.evaluate("pre => pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 8")

        # What the reader has in hand stays: the place in the log, what is selected, where the focus is.
        log.evaluate(
            "pre => { pre.scrollTop = 0; getSelection().setBaseAndExtent(pre.firstChild, 0, pre.firstChild, 6) }"
        )
        page.get_by_role("link", name="Pause…").focus()
        driven.log("#.load", "one more")
        expect(log).to_contain_text("one more")
        expect(page.locator("#jf-log-count")).to_have_text("61 lines")
        assert log.evaluate("pre => pre.scrollTop") == 0
        assert page.evaluate("String(getSelection())") == "line 0"
        assert "Pause" in page.evaluate("document.activeElement.textContent")
        assert log.evaluate("pre => pre.textContent.split('\\n').length") == 62
        take_picture(page, "admin-live-working")
        assert_accessible(page)

        driven.end("#.load", {"of": "load"})
        expect(status_of(page, "#.load")).to_have_text("ok")
        expect(page.locator("#jf-task details").filter(has_text="Result").first).to_contain_text('"of": "load"')
        expect(page.locator("#jf-counts")).to_contain_text("1 ok")
        driven.complete("#.split").claim("#.split.one").claim("#.split.two")
        expect(status_of(page, "#.split.two")).to_have_text("running")
        driven.end("#.split.one").end(
            "#.split.two", status="failed", error={"code": "EXECUTION_FAILED", "message": "no"}
        )
        expect(status).to_have_text("failed")
        expect(page.locator(".jf-error").first).to_contain_text("EXECUTION_FAILED")
        expect(page.get_by_role("link", name="Resume…")).to_be_visible()
        expect(page.get_by_role("link", name="Pause…")).to_have_count(0)
        expect(page.locator(".jf-now")).to_have_count(0)
        expect(page.locator("#jf-percent")).to_have_text("80 %")
        expect(page.locator("rect.jf-bar-ok")).to_have_count(3)
        expect(page.locator("#jf-said")).to_have_text("Watched: failed")
        assert_same_page(page)
        take_picture(page, "admin-live-failed")
        assert_accessible(page)

    def test_an_attempt_that_was_lost_is_on_the_timeline_and_the_tasks_are_a_graph_too(
        self, driven: DrivenInstance, open_page: Callable[..., Page], take_picture: Callable[[Page, str], None]
    ) -> None:
        driven.start().claim("#.load")
        page = open_page(f"{LIST}{driven.id}/change/", viewport={"width": 360, "height": 740}, color_scheme="dark")
        error = {"code": "WORKER_LOST", "message": "gone"}
        driven.storage.lose(driven.id, "#.load", 1, token=driven._tokens["#.load"], max_losses=3, error=error)
        expect(page.locator("rect.jf-bar-lost")).to_have_count(1)
        driven.claim("#.load")
        again = Outcome("failed", error={"code": "EXECUTION_FAILED", "message": "no"})
        driven.storage.retry(driven.id, "#.load", 1, token=driven._tokens["#.load"], outcome=again, delay=0)
        expect(page.locator("rect.jf-bar-failed")).to_have_count(1)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        take_picture(page, "admin-live-attempts-phone")
        assert_accessible(page)
        page.get_by_role("link", name="Graph").click()
        graph = page.locator("svg.jf-graph")
        expect(graph.locator(".jf-node.jf-queued")).to_have_count(1)
        driven.complete("#.load")
        expect(graph.locator(".jf-node.jf-ok")).to_have_count(1)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        take_picture(page, "admin-live-graph-phone")
        assert_accessible(page)
        graph.locator("a").first.click()
        expect(page.locator("#jf-task h2")).to_have_text("#.load")
        page.go_back()
        expect(page.locator("#jf-task")).to_have_count(0)
        assert_same_page(page)

    def test_a_page_that_is_hidden_asks_for_nothing_and_catches_up(
        self, driven: DrivenInstance, open_page: Callable[..., Page]
    ) -> None:
        page = open_page(f"{LIST}{driven.id}/change/")
        expect(page.locator("#jf-connection")).to_have_text("Live")
        page.evaluate("Object.defineProperty(document, 'hidden', { get: () => !window.shown })")
        # Only now: what it asked for before is its own affair.
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "part=live" in request.url else None)
        driven.start().claim("#.load")
        # What the socket says is shown at once, and for that nothing is asked for.
        expect(page.locator("#jf-status")).to_have_text("working")
        expect(status_of(page, "#.load")).to_have_text("running")
        expect(page.get_by_role("link", name="Pause…")).to_have_count(0)
        assert asked == []
        page.evaluate("window.shown = true; document.dispatchEvent(new Event('visibilitychange'))")
        expect(page.get_by_role("link", name="Pause…")).to_be_visible()
        assert_same_page(page)

    def test_an_answer_that_comes_after_a_newer_line_leaves_what_is_selected(
        self, driven: DrivenInstance, open_page: Callable[..., Page]
    ) -> None:
        driven.start().claim("#.load").log("#.load", "line 0")
        page = open_page(f"{LIST}{driven.id}/change/?task=%23.load")
        log = page.locator("#jf-log")
        expect(log).to_have_text("line 0\n")
        expect(page.locator("#jf-connection")).to_have_text("Live")
        late: list[tuple[Route, APIResponse]] = []

        def hold_one(route: Route) -> None:
            if late:
                route.continue_()
            else:
                late.append((route, route.fetch()))

        page.route(re.compile("part=live"), hold_one)
        # Of a run at work the page asks every few seconds.
        eventually(lambda: late or page.evaluate("0"), 60)
        log.evaluate("pre => getSelection().setBaseAndExtent(pre.firstChild, 0, pre.firstChild, 6)")
        driven.log("#.load", "one more")
        expect(log).to_have_text("line 0\none more\n")
        [(route, answer)] = late
        moment = re.search(r'data-jf-now="(\d+)"', answer.text())
        assert moment
        assert "one more" not in answer.text()
        page.evaluate(
            """moment => {
              window.selected = null;
              const root = document.querySelector("#content-main");
              new MutationObserver(() => {
                if (root.dataset.jfNow === moment) window.selected ??= String(getSelection());
              }).observe(root, { attributes: true });
            }""",
            moment[1],
        )
        route.fulfill(response=answer)
        eventually(lambda: page.evaluate("window.selected") is not None, 30)
        assert page.evaluate("window.selected") == "line 0"
        expect(log).to_have_text("line 0\none more\n")
        assert_same_page(page)

    def test_it_goes_on_when_there_is_no_socket(self, driven: DrivenInstance, open_page: Callable[..., Page]) -> None:
        page = open_page("/admin/")
        page.route_web_socket(re.compile(".*"), lambda socket: socket.close())
        page.goto(f"{LIST}{driven.id}/change/")
        expect(page.locator("#jf-connection")).to_have_text("Updated every few seconds")
        driven.start().complete()
        # Where nothing changes, the pauses between two questions become longer, up to half a minute.
        expect(page.locator("#jf-status")).to_have_text("done", timeout=60_000)


class TestCommands:
    def test_are_asked_about_and_given_from_the_page(
        self, driven: DrivenInstance, open_page: Callable[..., Page], take_picture: Callable[[Page, str], None]
    ) -> None:
        driven.start().claim("#.load")
        page = open_page(f"{LIST}{driven.id}/change/")
        page.get_by_role("link", name="Cancel…").click()
        confirm = page.get_by_role("button", name="Yes, cancel")
        expect(confirm).to_be_visible()
        take_picture(page, "admin-live-cancel")
        assert_accessible(page)
        confirm.click()
        expect(page.locator(".messagelist")).to_contain_text("Cancelled.")
        expect(page.get_by_text("cancelling", exact=True)).to_be_visible()
        driven.end("#.load", status="cancelled")
        expect(page.locator("#jf-status")).to_have_text("cancelled")
        # It was destroyed by somebody else.
        driven.storage.delete_instance(driven.id)
        expect(page.get_by_text("has no records of this instance")).to_be_visible()


class TestTheLastDay:
    def test_follows_what_goes_on(
        self, driven: DrivenInstance, open_page: Callable[..., Page], take_picture: Callable[[Page, str], None]
    ) -> None:
        driven.start().claim("#.load")
        page = open_page("/admin/jobs_flow_django/")
        page.clock.install()
        page.get_by_role("link", name="The last 24 hours").click()
        working = page.locator(".jf-figures li").first
        expect(working).to_contain_text("At work")
        expect(working.locator("strong")).to_have_text("1")
        page.evaluate("window.marker = 'still the same page'")
        driven.end("#.load").complete("#.split", "#.split.one", "#.split.two", "#.end")

        def none_is_at_work() -> bool:
            # It looks again every ten seconds of its clock.
            page.clock.run_for(10_000)
            return working.locator("strong").inner_text() == "0"

        eventually(none_is_at_work, 60, interval=0.3)
        assert_same_page(page)
        take_picture(page, "admin-board")
        assert_accessible(page)
