"""``<jobs-flow-progress>`` in Chromium, on a real server and a real storage."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.test import Client
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from jobs_flow import Task
from jobs_flow.storages import create_storage
from jobs_flow.storages.base import Storage
from jobs_flow_django.models import WorkflowInstance
from jobs_flow_django.tickets import make_ticket
from tests.support.eventually import aeventually
from tests.support.live import DrivenInstance, idle
from tests.support.processes import WebServer
from tests.support.servers import CHROMIUM_FLAGS

# One browser and one server for all of them: starting these takes longer than most tests.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio(loop_scope="module")]


def months(count: int) -> list[Task]:
    return [Task(f"month_{number:02}", idle) for number in range(1, count + 1)]


#: A task, a block of four whose second is a wide block, a task.
REPORT = [
    Task("load", idle, description="Read the uploaded CSV"),
    Task(
        "summarise",
        idle,
        subtasks=[
            Task("temperature", idle, subtasks=[Task("highest", idle), Task("lowest", idle)]),
            Task("months", idle, subtasks=months(48), description="One plot a month"),
            Task("rain", idle, description="Only where it rained"),
            Task("wind", idle),
        ],
    ),
    Task("report", idle, description="Put it all on one page"),
]


@pytest.fixture
def storage(storage_url: str) -> Iterator[Storage]:
    made = create_storage(storage_url)
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(django_db_setup: None) -> Iterator[WebServer]:
    with WebServer("tests.support.live_site:application") as started:
        yield started.wait_until_ready()


@pytest.fixture
def own_server(transactional_db: None, start_web: Callable[..., WebServer]) -> WebServer:
    """One to kill."""
    return start_web("tests.support.live_site:application", name="own-web")


@pytest.fixture
def user(transactional_db: None) -> Any:
    return get_user_model().objects.create_user("reader")


@pytest.fixture
def make(storage: Storage, user: Any) -> Callable[..., DrivenInstance]:
    def make_instance(tasks: Any = ("a", "b", "c"), **options: Any) -> DrivenInstance:
        driven = DrivenInstance(storage, tasks, **options).create()
        WorkflowInstance.objects.create(id=driven.id, workflow="driven", fingerprint="f", owner=user)
        return driven

    return make_instance


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium: Path) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=str(chromium), args=list(CHROMIUM_FLAGS), timeout=120_000
        )
        yield browser
        await browser.close()


class Visit:
    """Opens pages as the user, and fails on anything that the console complains of."""

    def __init__(self, browser: Browser, server: WebServer, session: str) -> None:
        self.server = server
        self._browser, self._session = browser, session
        self._contexts: list[BrowserContext] = []
        self.complaints: list[str] = []
        #: What of it is expected.
        self.expected: tuple[str, ...] = ()

    async def __call__(
        self, *instances: str, signed_in: bool = True, width: int = 800, dark: bool = False, **attributes: str
    ) -> Page:
        context = await self._browser.new_context(
            viewport={"width": width, "height": 700}, color_scheme="dark" if dark else "light", reduced_motion="reduce"
        )
        self._contexts.append(context)
        if signed_in:
            await context.add_cookies([{"name": "sessionid", "value": self._session, "url": self.server.url}])
        page = await context.new_page()
        page.on("console", lambda line: line.type in ("error", "warning") and self.complaints.append(line.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        query = urlencode([*(("instance", instance) for instance in instances), *attributes.items()])
        await page.goto(f"{self.server.url}/?{query}")
        return page

    async def leave(self) -> None:
        """Close the pages: they would go on asking servers, and for those that are gone, during the tests after."""
        for context in self._contexts:
            await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def visit(browser: Browser, server: WebServer, user: Any) -> AsyncIterator[Visit]:
    client = Client()
    await sync_to_async(client.force_login)(user)
    visit = Visit(browser, server, client.cookies["sessionid"].value)
    yield visit
    unexpected = [text for text in visit.complaints if not any(part in text for part in visit.expected)]
    await visit.leave()
    assert unexpected == []


async def picture(page: Page, name: str) -> None:
    """Keep a picture for people, when ``JOBS_FLOW_SCREENSHOTS`` names a directory."""
    if directory := os.environ.get("JOBS_FLOW_SCREENSHOTS"):
        await asyncio.sleep(0.4)  # the bars take a moment to grow
        await page.screenshot(path=Path(directory) / f"{name}.png", full_page=True)


Make = Callable[..., DrivenInstance]


def half_way(driven: DrivenInstance) -> None:
    """Move an instance of ``REPORT`` to where there is most to see."""
    driven.start().claim("#.load").log("#.load", "1461 rows", "4 columns", "no gaps", "2012-01-01 to 2015-12-31")
    driven.end("#.load", {"rows": 1461}).complete("#.summarise")
    driven.complete("#.summarise.temperature").complete("#.summarise.temperature.highest")
    driven.claim("#.summarise.temperature.lowest").progress("#.summarise.temperature.lowest", 0.4, "584 of 1461 days")
    driven.complete("#.summarise.months")
    for number in range(1, 25):
        driven.complete(f"#.summarise.months.month_{number:02}")
    for number in range(25, 29):
        driven.claim(f"#.summarise.months.month_{number:02}")
    driven.claim("#.summarise.rain").end("#.summarise.rain", status="skipped")


def fail(driven: DrivenInstance) -> None:
    """From there to a failure."""
    failure = {"code": "EXECUTION_FAILED", "message": "The column 'wind' has no number in line 812: 'n/a'"}
    driven.end("#.summarise.temperature.lowest", 1)
    for number in range(25, 29):
        driven.end(f"#.summarise.months.month_{number:02}", 1)
    for number in range(29, 49):
        path = f"#.summarise.months.month_{number:02}"
        if number == 33:
            driven.claim(path).end(path, status="failed", error={"code": "X", "message": "No readings in this month"})
        else:
            driven.complete(path)
    driven.claim("#.summarise.wind").log("#.summarise.wind", "reading wind", "line 812 is odd")
    driven.end("#.summarise.wind", status="failed", error=failure)


class TestPictures:
    """Every state, for people to look at; and that it fits."""

    async def test_each_state(self, visit: Visit, make: Make, own_server: WebServer) -> None:
        visit.server = own_server
        visit.expected = ("WebSocket connection", "ERR_CONNECTION_REFUSED")
        driven = await sync_to_async(make)(REPORT, name="Seattle weather 2012–2015")
        pages = {
            "light": await visit(driven.id),
            "dark": await visit(driven.id, dark=True),
            "narrow": await visit(driven.id, width=360),
            "narrow-dark": await visit(driven.id, width=360, dark=True),
            "folded": await visit(driven.id, folded=""),
        }

        async def show(state: str, text: str) -> None:
            for name, page in pages.items():
                await expect(page.locator("jobs-flow-progress .badge")).to_have_text(text)
                await picture(page, f"{state}-{name}")
                width, visible = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
                assert width <= visible, f"{state} is too wide, {name}"

        await show("1-waiting", "Not started")
        await asyncio.to_thread(half_way, driven)
        await show("2-running", "Running")
        await asyncio.to_thread(fail, driven)
        await show("3-failed", "Failed")
        await asyncio.to_thread(lambda: driven.start().complete())
        await show("4-done", "Done")
        await asyncio.to_thread(half_way, driven)
        await show("5-running-again", "Running")
        await asyncio.to_thread(own_server.kill)
        for page in pages.values():
            await expect(page.locator("jobs-flow-progress .connection")).to_have_text("Reconnecting…")
        await show("6-reconnecting", "Running")


class TestLive:
    async def test_a_run_is_seen_without_a_reload(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)(name="Spring")
        page = await visit(driven.id)
        element = page.locator("jobs-flow-progress")
        await expect(element.locator(".heading")).to_have_text("Spring")
        await expect(element.locator(".badge")).to_have_text("Not started")
        await expect(element.locator(".tasks > li")).to_have_count(3)

        await asyncio.to_thread(lambda: driven.start().claim("#.a").progress("#.a", 0.25, "a quarter"))
        first = element.locator(".tasks > li").first
        await expect(first).to_have_attribute("data-status", "running")
        await expect(first.locator(".text")).to_have_text("a quarter")
        await expect(first.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "25")

        await asyncio.to_thread(lambda: driven.log("#.a", "one", "two").end("#.a", 1).complete("#.b", "#.c"))
        await expect(element.locator(".badge")).to_have_text("Done")
        await expect(element.locator("li[data-status=ok]")).to_have_count(3)
        await expect(first.locator(".log li")).to_have_text(["one", "two"])
        overall = element.locator(".card > .bar")
        await expect(overall).to_have_attribute("aria-valuenow", "100")
        await expect(overall).to_have_attribute("aria-valuetext", "3 of 3 tasks")
        await expect(element.get_by_role("status")).to_have_text("Spring: Done")

    async def test_pause_and_cancellation_are_seen(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)(name="Spring")
        page = await visit(driven.id)
        element = page.locator("jobs-flow-progress")
        await asyncio.to_thread(lambda: driven.start().claim("#.a"))
        await expect(element.locator(".badge")).to_have_text("Running")
        await asyncio.to_thread(driven.storage.pause, driven.id, True)
        await expect(element.locator(".badge")).to_have_text("Paused")
        await expect(element.get_by_role("status")).to_have_text("Spring: Paused")
        await asyncio.to_thread(driven.storage.pause, driven.id, False)
        await expect(element.locator(".badge")).to_have_text("Running")
        await asyncio.to_thread(driven.storage.cancel, driven.id, "#")
        await expect(element.locator(".badge")).to_have_text("Cancelling")
        await asyncio.to_thread(driven.end, "#.a", status="cancelled")
        await expect(element.locator(".badge")).to_have_text("Cancelled")

    async def test_a_new_description_replaces_the_tasks(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)(["a", "b"])
        await asyncio.to_thread(lambda: driven.start().complete())
        page = await visit(driven.id)
        element = page.locator("jobs-flow-progress")
        await expect(element.locator(".badge")).to_have_text("Done")
        other = DrivenInstance(driven.storage, ["a", "new", "newer"], id=driven.id, name="Renamed")
        await asyncio.to_thread(driven.storage.update_instance, other.new, revision=1)
        await expect(element.locator(".heading")).to_have_text("Renamed")
        await expect(element.locator(".tasks > li")).to_have_count(3)
        await expect(element.locator("li[data-status=ok]")).to_have_count(1)

    async def test_a_removed_one_says_so(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)(name="Spring")
        page = await visit(driven.id)
        element = page.locator("jobs-flow-progress")
        await expect(element.locator(".badge")).to_have_text("Not started")
        await asyncio.to_thread(driven.storage.delete_instance, driven.id)
        await expect(element.locator(".badge")).to_have_text("Deleted")
        await expect(element.locator(".notice")).to_have_text("This workflow has been removed.")

    async def test_one_that_comes_late_shows_the_same(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)(REPORT)
        early = await visit(driven.id)
        await expect(early.locator("jobs-flow-progress .badge")).to_have_text("Not started")
        await asyncio.to_thread(half_way, driven)
        await asyncio.to_thread(fail, driven)
        late = await visit(driven.id)
        for page in (early, late):
            await expect(page.locator("jobs-flow-progress .badge")).to_have_text("Failed")
        states = [await page.evaluate("document.querySelector('jobs-flow-progress').state") for page in (early, late)]
        for state in states:
            del state["logs"]  # the late one knows the last lines only

        assert states[0] == states[1]

    async def test_many_elements_share_a_socket(self, visit: Visit, make: Make) -> None:
        instances = [await sync_to_async(make)(["a"], name=f"number {number}") for number in range(3)]
        page = await visit()
        sockets: list[str] = []
        page.on("websocket", lambda socket: sockets.append(socket.url))
        query = "&".join(f"instance={driven.id}" for driven in (*instances, instances[0]))
        await page.goto(f"{page.url}&{query}")
        await asyncio.to_thread(lambda: [driven.start().complete() for driven in instances])
        await expect(page.locator("jobs-flow-progress li[data-status=ok]")).to_have_count(4)

        assert len(sockets) == 1

    async def test_what_leaves_the_page_is_no_longer_watched(self, visit: Visit, make: Make, server: WebServer) -> None:
        driven = await sync_to_async(make)()
        page = await visit()
        closed: list[bool] = []
        page.on("websocket", lambda socket: socket.on("close", lambda _: closed.append(True)))
        await page.goto(f"{server.url}/?instance={driven.id}")
        await expect(page.locator("jobs-flow-progress .badge")).to_have_text("Not started")
        await page.evaluate("document.querySelector('jobs-flow-progress').remove()")

        await aeventually(lambda: closed)

    async def test_text_is_never_markup(self, visit: Visit, make: Make) -> None:
        nasty = "<img src=x onerror=\"document.title='injected'\"><b>bold</b>"
        tasks = [Task("a", idle, description=nasty), Task("b", idle)]
        driven = await sync_to_async(make)(tasks, name=nasty)
        driven.start().claim("#.a").log("#.a", nasty).progress("#.a", 0.5, nasty)
        page = await visit(driven.id, label=nasty)
        element = page.locator("jobs-flow-progress")
        await expect(element.locator(".log li")).to_have_text([nasty])
        await asyncio.to_thread(
            driven.end, "#.a", status="failed", error={"code": "EXECUTION_FAILED", "message": nasty}
        )
        await expect(element.locator(".box.error")).to_have_text(f"a failed: {nasty}")

        assert await element.locator("img, b").count() == 0
        assert await page.title() == "live"

    async def test_a_wide_block_is_folded_to_its_counts(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)(REPORT)
        await asyncio.to_thread(half_way, driven)
        page = await visit(driven.id)
        wide = page.locator("jobs-flow-progress li.task", has=page.get_by_role("button", name="months")).last
        await expect(wide.locator(".counts .numbers")).to_have_text("48 subtasks24 done4 running20 queued")
        await expect(wide.locator(".status").first).to_have_text("24 of 48")
        await expect(wide.locator("li.task")).to_have_count(0)

        toggle = page.get_by_role("button", name="months")
        await expect(toggle).to_have_attribute("aria-expanded", "false")
        await toggle.focus()
        await page.keyboard.press("Enter")
        await expect(toggle).to_have_attribute("aria-expanded", "true")
        await expect(wide.locator("li.task")).to_have_count(48)

        await asyncio.to_thread(fail, driven)
        await toggle.click()
        await expect(wide.locator("li.task .name")).to_have_text(["month_33"])

    async def test_of_a_very_wide_block_a_part_is_shown_and_another_on_demand(self, visit: Visit, make: Make) -> None:
        tasks = [Task("wide", idle, subtasks=[Task(f"part_{number:03}", idle) for number in range(250)])]
        driven = await sync_to_async(make)(tasks, name="Wide")
        await asyncio.to_thread(lambda: driven.start().complete("#.wide", "#.wide.part_000", "#.wide.part_240"))
        page = await visit(driven.id)
        wide = page.locator("jobs-flow-progress li.task", has=page.get_by_role("button", name="wide")).last
        rows = wide.locator("li.task .name")
        await expect(wide.locator(".counts .numbers")).to_have_text("250 subtasks2 done248 queued")
        await page.get_by_role("button", name="wide").click()
        await expect(rows).to_have_count(100)
        await expect(wide.locator(".range")).to_have_text("1–100 of 250")
        await picture(page, "10-wide")

        for shown in ("101–200 of 250", "151–250 of 250"):
            await wide.get_by_role("button", name="Next").click()
            await expect(wide.locator(".range")).to_have_text(shown)
        await expect(rows.last).to_have_text("part_249")
        await expect(wide.locator("li.task[data-status=ok] .name")).to_have_text(["part_240"])
        await asyncio.to_thread(driven.complete, "#.wide.part_241", "#.wide.part_001")
        await expect(wide.locator("li.task[data-status=ok] .name")).to_have_text(["part_240", "part_241"])
        await expect(wide.locator(".counts .numbers")).to_have_text("250 subtasks4 done246 queued")
        await expect(page.locator("jobs-flow-progress .summary .numbers")).to_have_text("5 of 251 tasks")

        for shown in ("51–150 of 250", "1–100 of 250"):
            await wide.get_by_role("button", name="Previous").click()
            await expect(wide.locator(".range")).to_have_text(shown)
        # There is no button for what is before the first.
        await expect(wide.get_by_role("button", name="Next")).to_be_focused()
        await expect(wide.locator("li.task[data-status=ok] .name")).to_have_text(["part_000", "part_001"])

    async def test_the_part_that_is_shown_survives_a_lost_connection(self, visit: Visit, make: Make) -> None:
        tasks = [Task("wide", idle, subtasks=[Task(f"part_{number:03}", idle) for number in range(250)])]
        driven = await sync_to_async(make)(tasks)
        await asyncio.to_thread(lambda: driven.start().complete("#.wide"))
        page = await visit(driven.id)
        await page.get_by_role("button", name="wide").click()
        await page.get_by_role("button", name="Next").click()
        await expect(page.locator("jobs-flow-progress .block .block .range")).to_have_text("101–200 of 250")
        await page.evaluate("document.querySelector('jobs-flow-progress').client.reconnect()")
        await asyncio.to_thread(driven.complete, "#.wide.part_150", "#.wide.part_001")

        done = page.locator("jobs-flow-progress .block .block li.task[data-status=ok] .name")
        await expect(done).to_have_text(["part_150"])
        await expect(page.locator("jobs-flow-progress .block .block .range")).to_have_text("101–200 of 250")
        await expect(page.locator("jobs-flow-progress .summary .numbers")).to_have_text("3 of 251 tasks")

    async def test_long_logs_are_shown_on_demand(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)()
        lines = [f"line {number}" for number in range(150)]
        driven.start().claim("#.a").log("#.a", *lines)
        page = await visit(driven.id)
        log = page.locator("jobs-flow-progress .log").first
        await expect(log.locator("li")).to_have_text(lines[-3:])
        await log.get_by_role("button", name="Show all 100 lines").click()
        await expect(log.locator("li")).to_have_text(lines[-100:])
        await expect(log.locator(".earlier")).to_have_text("… 50 earlier lines")
        await asyncio.to_thread(driven.log, "#.a", "one more")
        await expect(log.locator("li")).to_have_text([*lines[-100:], "one more"])

    async def test_folded_it_shows_the_tasks_on_demand(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)()
        page = await visit(driven.id, folded="")
        element = page.locator("jobs-flow-progress")
        await expect(element.locator(".tree")).to_be_hidden()
        await element.get_by_role("button", name="Show tasks").click()
        await expect(element.locator("li.task")).to_have_count(3)
        await expect(element.locator(".tree")).to_be_visible()


class TestResult:
    async def test_takes_the_place_of_the_progress(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)()
        page = await visit(driven.id, src="/result")
        element = page.locator("jobs-flow-progress")
        await expect(element.locator(".card")).to_be_visible()
        await asyncio.to_thread(lambda: driven.start().complete())
        await expect(page.locator("#result")).to_be_visible()
        await expect(element.locator(".card")).to_be_hidden()
        await picture(page, "7-result")
        assert await page.title() == "live", "a script of the result was run"

        await asyncio.to_thread(driven.start)
        await expect(element.locator(".card")).to_be_visible()
        await expect(page.locator("#result")).to_be_hidden()

    async def test_outlives_the_instance(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)()
        driven.start().complete()
        page = await visit(driven.id, src="/result")
        await expect(page.locator("#result")).to_be_visible()
        await asyncio.to_thread(driven.storage.delete_instance, driven.id)
        await page.wait_for_function("document.querySelector('jobs-flow-progress').state.status === 'deleted'")
        await page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")

        await expect(page.locator("#result")).to_be_visible()
        await expect(page.locator("jobs-flow-progress .card")).to_be_hidden()

    async def test_is_there_at_once_when_the_instance_is_done(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)()
        driven.start().complete()
        page = await visit(driven.id, src="/result")

        await expect(page.locator("#result")).to_be_visible()

    @pytest.mark.parametrize("src", ["/nowhere", "https://elsewhere.invalid/"], ids=["missing", "another origin"])
    async def test_that_cannot_be_loaded_is_said(self, visit: Visit, make: Make, src: str) -> None:
        visit.expected = ("the result could not be loaded", "404")
        driven = await sync_to_async(make)()
        driven.start().complete()
        page = await visit(driven.id, src=src)
        element = page.locator("jobs-flow-progress")
        await expect(element.locator(".notice")).to_have_text("The result could not be loaded.")
        await picture(page, "8-result-failed")
        await page.evaluate("document.querySelector('jobs-flow-progress').setAttribute('src', '/result')")
        await element.get_by_role("button", name="Try again").click()

        await expect(page.locator("#result")).to_be_visible()


class TestEvents:
    async def test_bubble_to_the_page(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)()
        page = await visit(driven.id)
        await page.evaluate(
            """() => {
                window.seen = [];
                for (const name of ["state", "done", "failed"]) {
                    addEventListener(`jobs-flow:${name}`, ({ detail }) => seen.push([name, detail.status, detail.run]));
                }
            }"""
        )
        for status in ("ok", "failed"):
            await asyncio.to_thread(driven.start)
            # What follows at once is merged with it.
            await aeventually(lambda: page.evaluate("seen.at(-1)?.[1] === 'working'"))
            await asyncio.to_thread(
                lambda status=status: driven.complete("#.a", "#.b").claim("#.c").end("#.c", status=status)
            )
            name = "done" if status == "ok" else "failed"
            await aeventually(lambda name=name: page.evaluate("name => seen.some((each) => each[0] === name)", name))
        seen = await page.evaluate("seen.filter(([name]) => name !== 'state')")

        assert seen == [["done", "done", 1], ["failed", "failed", 2]]
        assert await page.evaluate("seen.some(([name, status]) => name === 'state' && status === 'working')")


class TestConnection:
    async def test_lost_and_found_misses_nothing(
        self, visit: Visit, make: Make, own_server: WebServer, start_process: Callable[..., Any]
    ) -> None:
        visit.server = own_server
        visit.expected = ("WebSocket connection", "ERR_CONNECTION_REFUSED")
        driven = await sync_to_async(make)()
        page = await visit(driven.id)
        element = page.locator("jobs-flow-progress")
        await expect(element.locator(".badge")).to_have_text("Not started")
        await asyncio.to_thread(lambda: driven.start().complete("#.a").claim("#.b").log("#.b", "before"))
        await expect(element.locator(".log li")).to_have_text(["before"])

        await asyncio.to_thread(own_server.kill)
        await expect(element.locator(".connection")).to_have_text("Reconnecting…")
        await asyncio.to_thread(lambda: driven.log("#.b", "meanwhile").end("#.b", 1).complete("#.c"))
        await asyncio.to_thread(lambda: start_process(own_server).wait_until_ready())

        # The server has to start, and pauses between attempts grow to half a minute.
        await expect(element.locator(".badge")).to_have_text("Done", timeout=90_000)
        await expect(element.locator(".connection")).to_be_hidden()
        await expect(element.locator(".log li")).to_have_text(["before", "meanwhile"])

    async def test_of_who_is_not_signed_in_is_not_tried_again(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)()
        sockets: list[str] = []
        page = await visit(signed_in=False)
        page.on("websocket", lambda socket: sockets.append(socket.url))
        await page.goto(f"{page.url}&instance={driven.id}")
        await expect(page.locator("jobs-flow-progress .notice")).to_have_text("Sign in to see this progress.")
        await picture(page, "9-sign-in")
        # The first pause would be half a second at most.
        await asyncio.sleep(1)

        assert len(sockets) == 1

    async def test_of_an_unknown_instance_says_so(self, visit: Visit) -> None:
        page = await visit("nobody")

        await expect(page.locator("jobs-flow-progress .notice")).to_have_text(
            "There is no such workflow, or you may not see it."
        )
        await picture(page, "9-missing")


LOOK = """(state) => {
    Object.defineProperty(document, "visibilityState", { get: () => state, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


class TestClient:
    async def test_asks_whether_the_connection_is_alive_when_the_page_is_looked_at_again(
        self, visit: Visit, make: Make
    ) -> None:
        driven = await sync_to_async(make)()
        page = await visit()
        sent: list[str] = []
        page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(str(frame))))
        await page.goto(f"{page.url}&instance={driven.id}")
        await expect(page.locator("jobs-flow-progress .badge")).to_have_text("Not started")
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        await aeventually(lambda: len(sent) >= 2)

        assert '"visible":true' in sent[1]
        assert '"ref"' in sent[1]

    async def test_of_a_hidden_page_is_sent_nothing_until_it_is_shown(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)()
        page = await visit()
        received: list[str] = []
        page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: received.append(str(frame))))
        await page.goto(f"{page.url}&instance={driven.id}")
        element = page.locator("jobs-flow-progress")
        await expect(element.locator(".badge")).to_have_text("Not started")
        await page.evaluate(LOOK, "hidden")
        await aeventually(lambda: received[-1].startswith('{"type":"ack","ref":"look'))
        known = len(received)
        await asyncio.to_thread(lambda: driven.start().complete())
        # An answer comes at once, and by then all that was before it would have come.
        await page.evaluate("id => document.querySelector('jobs-flow-progress').client.getTask(id, '#.c')", driven.id)
        assert ['"taskDetails"' in frame for frame in received[known:]] == [True]

        await page.evaluate(LOOK, "visible")
        await expect(element.locator(".badge")).to_have_text("Done")
        await expect(element.locator("li[data-status=ok]")).to_have_count(3)

    async def test_executes_and_is_told_what_is_refused(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)()
        page = await visit(driven.id)
        await expect(page.locator("jobs-flow-progress .badge")).to_have_text("Not started")
        outcome = await page.evaluate(
            """async (id) => {
                const client = document.querySelector("jobs-flow-progress").client;
                return client.execute(id, "#.b").then(() => "started", ({ code, message }) => ({ code, message }));
            }""",
            driven.id,
        )

        # Nobody registered this workflow in the server.
        assert outcome["code"] == "UNKNOWN_WORKFLOW"
        assert "driven" in outcome["message"]
        await expect(page.locator("jobs-flow-progress .notice")).to_contain_text("driven")

    async def test_is_a_module_too(self, visit: Visit) -> None:
        page = await visit()
        names = await page.evaluate("import('/jobs-flow.mjs').then(Object.keys)")

        assert sorted(names) == [
            "JobsFlowClient",
            "JobsFlowError",
            "JobsFlowProgress",
            "backoff",
            "eventSource",
            "eventSourceWith",
            "initialState",
            "reduce",
            "webSocket",
            "words",
        ]

    async def test_of_another_script_has_the_same_connection(self, visit: Visit) -> None:
        page = await visit()
        same = (
            "import('/jobs-flow-core.mjs').then((core) => core.JobsFlowClient.for() === JobsFlow.JobsFlowClient.for())"
        )

        assert await page.evaluate(same) is True


class TestOverHttp:
    """For places without sockets."""

    async def test_a_run_is_seen_without_a_socket(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)()
        page = await visit()
        sockets: list[str] = []
        page.on("websocket", lambda socket: sockets.append(socket.url))
        await page.goto(f"{page.url}&instance={driven.id}&transport=http&url=/jobs-flow/")
        element = page.locator("jobs-flow-progress")
        await expect(element.locator(".badge")).to_have_text("Not started")
        await asyncio.to_thread(lambda: driven.start().claim("#.a").log("#.a", "one"))
        await expect(element.locator(".log li")).to_have_text(["one"])
        await asyncio.to_thread(lambda: driven.end("#.a", 1).complete("#.b", "#.c"))
        await expect(element.locator(".badge")).to_have_text("Done")

        assert sockets == []

    async def test_lost_and_found_misses_nothing(
        self, visit: Visit, make: Make, own_server: WebServer, start_process: Callable[..., Any]
    ) -> None:
        visit.server = own_server
        visit.expected = ("ERR_",)
        driven = await sync_to_async(make)()
        page = await visit(driven.id, transport="http", url="/jobs-flow/")
        element = page.locator("jobs-flow-progress")
        await asyncio.to_thread(lambda: driven.start().complete("#.a").claim("#.b").log("#.b", "before"))
        await expect(element.locator(".log li")).to_have_text(["before"])
        await asyncio.to_thread(own_server.kill)
        await expect(element.locator(".connection")).to_have_text("Reconnecting…")
        await asyncio.to_thread(lambda: driven.log("#.b", "meanwhile").end("#.b", 1).complete("#.c"))
        await asyncio.to_thread(lambda: start_process(own_server).wait_until_ready())

        # The server has to start, and pauses between attempts grow to half a minute.
        await expect(element.locator(".badge")).to_have_text("Done", timeout=90_000)
        await expect(element.locator(".log li")).to_have_text(["before", "meanwhile"])

    @pytest.mark.parametrize("element", ["jobs-flow-progress", "jobs-flow-run"])
    async def test_what_a_wide_block_does_not_show_is_said_not_to_be_had(
        self, visit: Visit, make: Make, element: str
    ) -> None:
        tasks = [Task("wide", idle, subtasks=[Task(f"part_{number:03}", idle) for number in range(150)])]
        driven = await sync_to_async(make)(tasks, name="Wide")
        page = await visit(driven.id, transport="http", element=element)
        if element == "jobs-flow-run":
            await page.get_by_role("treeitem", name="wide").press("ArrowRight")
            await page.get_by_role("treeitem", name="Show 50 tasks after").press("Enter")
        else:
            await page.get_by_role("button", name="wide").click()
            await page.get_by_role("button", name="Next 50").click()

        await expect(page.get_by_text("Other tasks of so many can be shown over a WebSocket only.")).to_be_visible()

    async def test_commands_are_requests(self, visit: Visit, make: Make) -> None:
        visit.expected = ("status of 40",)
        driven = await sync_to_async(make)()
        page = await visit(driven.id, transport="http", url="/jobs-flow/")
        await expect(page.locator("jobs-flow-progress .badge")).to_have_text("Not started")
        ask = """async ([id, token]) => {
            const transport = JobsFlow.eventSourceWith({ csrfToken: () => token });
            const client = new JobsFlow.JobsFlowClient("/jobs-flow/", { transport });
            const outcome = (promise) => promise.then((answer) => answer.type, ({ code }) => code);
            return [await outcome(client.getTask(id, "#.a")), await outcome(client.execute(id, "#.a"))];
        }"""
        token = "a" * 32
        await page.context.add_cookies([{"name": "csrftoken", "value": token, "url": visit.server.url}])

        # Nobody registered this workflow in the server.
        assert await page.evaluate(ask, [driven.id, token]) == ["taskDetails", "UNKNOWN_WORKFLOW"]
        assert await page.evaluate(ask, [driven.id, "another"]) == ["CSRF_FAILED", "CSRF_FAILED"]

    async def test_who_is_not_signed_in_is_told_so(self, visit: Visit, make: Make) -> None:
        visit.expected = ("status of 401",)
        driven = await sync_to_async(make)()
        page = await visit(driven.id, signed_in=False, transport="http", url="/jobs-flow/")

        await expect(page.locator("jobs-flow-progress .notice")).to_have_text("Sign in to see this progress.")

    async def test_an_unknown_instance_is_said_to_be_missing(self, visit: Visit) -> None:
        visit.expected = ("status of 404",)
        page = await visit("nobody", transport="http", url="/jobs-flow/")

        await expect(page.locator("jobs-flow-progress .notice")).to_have_text(
            "There is no such workflow, or you may not see it."
        )


class TestTickets:
    @pytest.mark.parametrize("transport", [{}, {"transport": "http", "url": "/jobs-flow/"}], ids=["socket", "HTTP"])
    async def test_let_in_who_is_not_signed_in(self, visit: Visit, make: Make, transport: dict[str, str]) -> None:
        driven = await sync_to_async(make)(name="Spring")
        ticket = await sync_to_async(make_ticket)(driven.id)
        page = await visit(driven.id, signed_in=False, ticket=ticket, **transport)
        await expect(page.locator("jobs-flow-progress .badge")).to_have_text("Not started")
        await asyncio.to_thread(lambda: driven.start().complete())
        await expect(page.locator("jobs-flow-progress .badge")).to_have_text("Done")
