"""``<jobs-flow-progress>`` and ``<jobs-flow-run>`` in every state: without a fault that axe calls serious, without a
breach of a strict content security policy, and steered by keyboard alone.

``JOBS_FLOW_SCREENSHOTS=dir``: a picture of each state, for people to look at.
"""

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
from django.contrib.auth.models import Permission
from django.test import Client
from playwright.async_api import Browser, BrowserContext, Locator, Page, async_playwright, expect

from jobs_flow import Task
from jobs_flow.storages import create_storage
from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import Outcome
from jobs_flow_django import jobs
from jobs_flow_django.models import WorkflowInstance
from jobs_flow_django.tickets import make_ticket
from tests.support.axe import serious_faults
from tests.support.live import DrivenInstance, idle
from tests.support.processes import WebServer, Worker
from tests.support.servers import CHROMIUM_FLAGS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio(loop_scope="module")]

ELEMENTS = ("jobs-flow-progress", "jobs-flow-run")

#: Two tasks with a block of four between them, whose second is a wide block.
REPORT = [
    Task("load", idle, description="Read the uploaded CSV"),
    Task(
        "summarise",
        idle,
        subtasks=[
            Task("temperature", idle, subtasks=[Task("highest", idle), Task("lowest", idle)]),
            Task(
                "months", idle, subtasks=[Task(f"month_{n:02}", idle) for n in range(1, 49)], description="One a month"
            ),
            Task("rain", idle, description="Only where it rained"),
            Task("wind", idle),
        ],
    ),
    Task("report", idle, description="Put it all on one page"),
]
WIDE = [Task("scan", idle), Task("each", idle, subtasks=[Task(f"item_{n:04}", idle) for n in range(300)])]
#: Hebrew and Arabic names, in a page that is written from right to left.
RIGHT_TO_LEFT = [Task("טעינה", idle, description="קריאת הקובץ"), Task("حساب", idle, subtasks=[Task("load_csv", idle)])]

TRACEBACK = """Traceback (most recent call last):
  File "shop/workflows.py", line 41, in wind
    return sum(float(row["wind"]) for row in rows)
ValueError: could not convert string to float: 'n/a'
"""


@pytest.fixture
def storage(storage_url: str) -> Iterator[Storage]:
    made = create_storage(storage_url)
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(django_db_setup: None) -> Iterator[WebServer]:
    with WebServer("tests.support.live_site:application") as started:
        yield started.wait_until_ready()


@pytest.fixture(scope="class")
def worker(django_db_setup: None) -> Iterator[Worker]:
    """A worker of the example project. Not for longer: it would take up what a test moves itself, as lost."""
    with Worker("testproject", pool="threads", env={"DEMO_PACE": "0.05"}) as started:
        yield started.wait_until_ready()


@pytest.fixture
def user(transactional_db: None) -> Any:
    return get_user_model().objects.create_user("ada")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium: Path) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=str(chromium), args=list(CHROMIUM_FLAGS), timeout=90_000
        )
        yield browser
        await browser.close()


class Visit:
    """Opens pages as a user; afterwards no policy was breached, and the console complained of nothing."""

    def __init__(self, browser: Browser, server: WebServer, session: str) -> None:
        self._browser, self._server, self._session = browser, server, session
        self.contexts: list[BrowserContext] = []
        self.complaints: list[str] = []
        self.pages: list[Page] = []

    async def __call__(
        self, instance: str, element: str = "jobs-flow-run", *, session: str | None = "", width: int = 1100,
        dark: bool = False, before: Callable[[Page], Any] | None = None, **attributes: str,
    ) -> Page:  # fmt: skip
        context = await self._browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light", reduced_motion="reduce"
        )
        self.contexts.append(context)
        if session is not None:
            cookie = {"name": "sessionid", "value": session or self._session, "url": self._server.url}
            await context.add_cookies([cookie])  # type: ignore[list-item]
        await context.add_init_script(
            "window.violations = [];"
            "document.addEventListener('securitypolicyviolation', (e) => violations.push(e.violatedDirective));"
        )
        page = await context.new_page()
        self.pages.append(page)
        page.on("console", lambda line: line.type in ("error", "warning") and self.complaints.append(line.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        if before is not None:
            await before(page)
        query = urlencode({"instance": instance, "element": element, **attributes})
        await page.goto(f"{self._server.url}/?{query}")
        return page

    async def end(self) -> None:
        violations = [await page.evaluate("violations") for page in self.pages]
        for context in self.contexts:
            await context.close()
        assert violations == [[]] * len(violations)
        assert self.complaints == []


@pytest_asyncio.fixture(loop_scope="module")
async def visit(browser: Browser, server: WebServer, user: Any) -> AsyncIterator[Visit]:
    visit = Visit(browser, server, await sync_to_async(session_of)(user))
    yield visit
    await visit.end()


def session_of(user: Any) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


@pytest.fixture
def make(storage: Storage, user: Any) -> Callable[..., DrivenInstance]:
    def make_instance(tasks: Any = REPORT, owner: Any = user, **options: Any) -> DrivenInstance:
        driven = DrivenInstance(storage, tasks, **{"name": "Seattle weather 2012–2015", **options}).create()
        WorkflowInstance.objects.create(id=driven.id, workflow="driven", fingerprint="f", owner=owner)
        return driven

    return make_instance


Make = Callable[..., DrivenInstance]


async def check(page: Page, name: str, *, axe: bool = True, rules: tuple[str, ...] = ()) -> None:
    """No serious fault, nothing wider than the window; and a picture, if there is a place for it."""
    if directory := os.environ.get("JOBS_FLOW_SCREENSHOTS"):
        await asyncio.sleep(0.3)  # the bars take a moment to grow
        await page.screenshot(path=Path(directory) / f"element-{name}.png", full_page=True)
    if axe:
        assert await serious_faults(page, *rules) == [], name
    assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, f"{name} is too wide"


def half_way(driven: DrivenInstance) -> None:
    """To where there is most to see."""
    driven.start().claim("#.load").log("#.load", "1461 rows", "4 columns", "no gaps", "2012-01-01 to 2015-12-31")
    driven.end(
        "#.load", {"rows": 1461, "columns": ["date", "rain", "wind"], "source": {"name": "seattle.csv", "ok": True}}
    )
    driven.complete("#.summarise", "#.summarise.temperature", "#.summarise.temperature.highest")
    driven.claim("#.summarise.temperature.lowest").progress("#.summarise.temperature.lowest", 0.4, "584 of 1461 days")
    driven.complete("#.summarise.months", *(f"#.summarise.months.month_{n:02}" for n in range(1, 25)))
    driven.claim("#.summarise.months.month_25")
    driven.claim("#.summarise.rain").end("#.summarise.rain", status="skipped")


def fail(driven: DrivenInstance) -> None:
    """From there to a failure."""
    driven.end("#.summarise.temperature.lowest", 1).end("#.summarise.months.month_25", 1)
    driven.complete(*(f"#.summarise.months.month_{n:02}" for n in range(26, 49)))
    driven.claim("#.summarise.wind").log("#.summarise.wind", *(f"day {n}: ok" for n in range(30)), "line 812 is odd")
    error = {"code": "EXECUTION_FAILED", "message": "could not convert string to float: 'n/a'", "type": "ValueError"}
    driven.end("#.summarise.wind", status="failed", error=error, traceback=TRACEBACK)


def badge(page: Page) -> Locator:
    return page.locator(".header .badge")


def task(page: Page, name: str) -> Locator:
    """The row of a task."""
    return page.get_by_role("treeitem", name=name)


class TestStates:
    """Each of them, light, dark and in a narrow window."""

    @pytest.mark.parametrize("element", ELEMENTS)
    async def test_of_a_run(self, visit: Visit, make: Make, element: str) -> None:
        driven = await sync_to_async(make)()
        pages = {
            "light": await visit(driven.id, element),
            "dark": await visit(driven.id, element, dark=True),
            "narrow": await visit(driven.id, element, width=360),
        }

        async def show(state: str, status: str) -> None:
            for page in pages.values():
                await expect(badge(page)).to_have_text(status)
            # They differ in colours and in what fits. axe takes its time: colours are seen best where most is shown.
            await check(pages["light"], f"{element}-{state}-light")
            dark = state in ("2-working", "3-failed")
            await check(pages["dark"], f"{element}-{state}-dark", axe=dark, rules=("color-contrast",))
            await check(pages["narrow"], f"{element}-{state}-narrow", axe=False)

        await show("1-not-started", "Not started")
        await asyncio.to_thread(half_way, driven)
        await show("2-working", "Running")
        await asyncio.to_thread(fail, driven)
        await show("3-failed", "Failed")
        await asyncio.to_thread(lambda: driven.start().claim("#.load"))
        await asyncio.to_thread(driven.storage.cancel, driven.id, "#")
        await asyncio.to_thread(driven.end, "#.load", status="cancelled")
        await show("4-cancelled", "Cancelled")
        await asyncio.to_thread(lambda: driven.start().complete())
        await show("5-done", "Done")

    @pytest.mark.parametrize("element", ELEMENTS)
    async def test_of_nothing_to_see(self, visit: Visit, make: Make, element: str) -> None:
        driven = await sync_to_async(make)()

        async def silent(page: Page) -> None:
            await page.route_web_socket("**/ws/**", lambda socket: None)

        loading = await visit(driven.id, element, before=silent)
        await expect(badge(loading)).to_have_text("Loading…")
        await check(loading, f"{element}-6-loading")
        denied = await visit(driven.id, element, session=None, dark=True)
        await expect(denied.get_by_text("Sign in to see this progress.")).to_be_visible()
        await check(denied, f"{element}-7-denied")
        missing = await visit("nobody", element, width=360)
        await expect(missing.get_by_text("There is no such workflow, or you may not see it.")).to_be_visible()
        await check(missing, f"{element}-8-missing")
        forced = await visit(driven.id, element)
        await forced.emulate_media(forced_colors="active")
        await asyncio.to_thread(half_way, driven)
        await expect(badge(forced)).to_have_text("Running")
        await check(forced, f"{element}-9-forced-colors")

    async def test_of_the_parts_of_a_run(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)()
        await asyncio.to_thread(half_way, driven)
        await asyncio.to_thread(fail, driven)
        page = await visit(driven.id)
        await task(page, "load").click()
        await expect(page.get_by_text("seattle.csv")).to_be_visible()
        await check(page, "jobs-flow-run-result")
        await page.get_by_role("button", name="Timeline").click()
        await task(page, "wind").click()
        await page.get_by_role("heading", name="Traceback").click()
        await expect(page.get_by_text("workflows.py")).to_be_visible()
        await check(page, "jobs-flow-run-timeline")
        await page.get_by_role("button", name="Reset…").click()
        await expect(page.get_by_role("dialog", name="Reset all tasks?")).to_be_visible()
        await check(page, "jobs-flow-run-dialog")

        narrow = await visit(driven.id, width=360, dark=True, view="timeline")
        await check(narrow, "jobs-flow-run-timeline-narrow")
        await narrow.get_by_role("button", name="Tree").click()
        await task(narrow, "wind").click()
        await expect(narrow.get_by_role("heading", name="wind")).to_be_focused()
        await expect(narrow.get_by_role("tree")).to_be_hidden()
        await check(narrow, "jobs-flow-run-task-narrow")
        await narrow.get_by_role("button", name="All tasks").click()
        await expect(task(narrow, "wind")).to_be_focused()

    async def test_of_a_wide_block(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)(WIDE)
        await asyncio.to_thread(
            lambda: driven.start().complete("#.scan", "#.each", "#.each.item_0000", "#.each.item_0250")
        )
        page = await visit(driven.id)
        await expect(task(page, "each")).to_have_attribute("aria-expanded", "false")
        await task(page, "each").focus()
        await page.keyboard.press("ArrowRight")
        rows = page.get_by_role("treeitem")
        await expect(rows).to_have_count(103)
        await expect(task(page, "item_0000")).to_have_attribute("aria-setsize", "300")
        await check(
            page, "jobs-flow-run-wide", rules=("aria-required-children", "aria-required-parent", "aria-allowed-attr")
        )
        await rows.last.focus()
        await page.keyboard.press("Enter")
        await expect(task(page, "item_0100")).to_be_focused()
        await expect(task(page, "item_0100")).to_have_attribute("aria-posinset", "101")
        await expect(task(page, "item_0000")).to_have_count(0)
        await task(page, "each").click()
        await page.get_by_label("Go to number").fill("251")
        await page.get_by_role("button", name="Go", exact=True).click()
        await expect(task(page, "item_0250 Done")).to_be_visible()
        # What is in the window is live.
        await asyncio.to_thread(driven.complete, "#.each.item_0251")
        await expect(task(page, "item_0251 Done")).to_be_visible()

    async def test_of_attempts(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)(["load", "report"])
        failed = Outcome("failed", error={"code": "EXECUTION_FAILED", "message": "no umbrellas", "type": "ValueError"})
        await asyncio.to_thread(lambda: driven.start().claim("#.load").retry("#.load", failed))
        page = await visit(driven.id, view="timeline")
        # Not by their numbers: an attempt that began in the millisecond in which it was queued has no bar for that.
        bars = task(page, "load").locator(".bars")
        await expect(bars.locator("[data-shown=failed]")).to_have_count(1)
        await asyncio.to_thread(lambda: driven.claim("#.load").end("#.load", 1))
        await expect(bars.locator("[data-shown=ok]")).to_have_count(1)
        await task(page, "load").click()
        await expect(page.get_by_text("Run 1, attempt 1: Failed")).to_be_visible()
        await expect(page.get_by_text("no umbrellas")).to_be_visible()
        await check(page, "jobs-flow-run-attempts")

    async def test_of_a_page_from_right_to_left(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)(RIGHT_TO_LEFT, name="מזג האוויר (2015)")
        await asyncio.to_thread(lambda: driven.start().complete("#.טעינה", "#.حساب"))
        page = await visit(driven.id, dir="rtl")
        await task(page, "حساب").focus()
        await page.keyboard.press("ArrowRight")
        await expect(task(page, "حساب")).to_have_attribute("aria-expanded", "false")
        await page.keyboard.press("ArrowLeft")
        await page.keyboard.press("ArrowLeft")
        await expect(task(page, "load_csv")).to_be_focused()
        await task(page, "טעינה").click()
        await expect(page.get_by_role("heading", name="טעינה")).to_be_visible()
        await check(page, "jobs-flow-run-rtl")
        progress = await visit(driven.id, "jobs-flow-progress", dir="rtl", width=360)
        name = progress.get_by_text("טעינה", exact=True)
        await expect(name).to_be_visible()
        await check(progress, "jobs-flow-progress-rtl")
        parts = [
            name,
            progress.locator("li.task .icon").first,
            *(progress.locator(f".summary .{each}") for each in ("time", "numbers")),
        ]
        lefts = [await part.evaluate("part => part.getBoundingClientRect().left") for part in parts]
        assert lefts[0] < lefts[1], "names are left of their icons"
        assert lefts[2] < 100 < lefts[3], "times are at the left, numbers at the right"


async def ask(
    page: Page, button: str, confirm: str, *, within: Locator | None = None, refused: bool = False
) -> Locator:
    """Give a command by keyboard: its button, then that of the dialog, which stays open if it is refused."""
    await press(page, (within or page).get_by_role("button", name=button, exact=True))
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_be_visible()
    send = dialog.get_by_role("button", name=confirm, exact=True)
    await expect(send).to_have_attribute("aria-disabled", "false")
    for _ in range(8):
        if await send.evaluate("button => button === button.getRootNode().activeElement"):
            break
        await page.keyboard.press("Tab")
    await expect(send).to_be_focused()
    await page.keyboard.press("Enter")
    if not refused:
        await expect(dialog).to_be_hidden()
    return dialog


async def press(page: Page, button: Locator, *, usable: bool = True) -> None:
    """Press the button of a command by keyboard, once it can be used, or cannot any more.

    What an earlier command has changed is told after that was answered.
    """
    await expect(button).to_have_attribute("aria-disabled", "false" if usable else "true")
    await button.focus()
    await page.keyboard.press("Enter")


async def choose(page: Page, name: str) -> None:
    """Select a task by keyboard."""
    await page.get_by_role("tree").locator("[tabindex='0']").focus()
    await page.keyboard.press("Home")
    for _ in range(20):
        if await task(page, name).evaluate("row => row === row.getRootNode().activeElement"):
            break
        await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(task(page, name)).to_have_attribute("aria-selected", "true")


def create(workflow: str, user: Any, *, execute: bool = False) -> str:
    return jobs.create_workflow_instance(f"behaviour_{workflow}", name=workflow, owner=user, execute=execute)


def permit(user: Any, *names: str) -> None:
    user.user_permissions.add(*Permission.objects.filter(codename__in=[f"{name}_workflowinstance" for name in names]))


class TestCommands:
    """By keyboard alone, on a worker."""

    async def test_run_resume_and_reset(self, visit: Visit, worker: Worker, user: Any) -> None:
        instance = await sync_to_async(create)("failing", user)
        page = await visit(instance)
        await expect(badge(page)).to_have_text("Not started")
        await ask(page, "Run all", "Run all")
        await expect(badge(page)).to_have_text("Failed", timeout=60_000)
        await expect(page.get_by_role("button", name="Run all")).to_be_focused()
        # Nothing was selected: what failed is shown.
        panel = page.locator(".panel")
        await expect(panel.get_by_role("heading", name="reserve")).to_be_visible()
        await expect(panel.get_by_text("There are no more umbrellas.").first).to_be_visible()
        await expect(panel.get_by_text("asking the shelf")).to_be_visible()

        await press(page, page.get_by_role("button", name="Resume…"))
        dialog = page.get_by_role("dialog", name="Resume?")
        await expect(dialog.get_by_text("2 tasks will run:")).to_be_visible()
        await expect(dialog.get_by_role("listitem")).to_have_text(["#.reserve", "#.send"])
        await check(page, "jobs-flow-run-resume")
        await dialog.get_by_role("radio", name="Everything").focus()
        await page.keyboard.press("Space")
        await expect(dialog.get_by_role("listitem")).to_have_text(["#.order", "#.reserve", "#.send"])
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await expect(page.get_by_role("button", name="Resume…")).to_be_focused()

        await ask(page, "Resume from here…", "Resume", within=panel)
        await expect(page.locator(".run-number")).to_have_text("Run 2")
        await expect(badge(page)).to_have_text("Failed", timeout=60_000)
        await expect(panel.get_by_text("Run 1, attempt 1: Failed")).to_be_visible()
        await ask(page, "Reset this task…", "Reset", within=panel)
        await expect(task(page, "reserve Not run")).to_be_visible()
        await expect(task(page, "order Done")).to_be_visible()
        # It stays where the reader was.
        await expect(panel.get_by_role("heading", name="reserve")).to_be_visible()
        await expect(panel.get_by_role("button", name="Reset this task…")).to_be_focused()
        await ask(page, "Reset…", "Reset")
        await expect(task(page, "order Not run")).to_be_visible()
        await expect(page.get_by_text("Reset.", exact=True)).to_be_visible()

    async def test_run_one_task_with_an_argument(self, visit: Visit, worker: Worker, user: Any) -> None:
        instance = await sync_to_async(create)("ok", user)
        page = await visit(instance)
        await choose(page, "first")
        panel = page.locator(".panel")
        await ask(page, "Run this task", "Run", within=panel)
        await expect(task(page, "first Done")).to_be_visible(timeout=60_000)
        await choose(page, "second")
        await press(page, panel.get_by_role("button", name="Run this task"))
        dialog = page.get_by_role("dialog")
        await dialog.locator("summary").focus()
        await page.keyboard.press("Enter")
        await dialog.get_by_label("With an argument").focus()
        await page.keyboard.type("[100")
        await dialog.get_by_role("button", name="Run", exact=True).focus()
        await page.keyboard.press("Enter")
        await expect(dialog.get_by_role("alert")).to_contain_text("This is not JSON")
        await dialog.get_by_label("With an argument").fill("100")
        await dialog.get_by_role("button", name="Run", exact=True).focus()
        await page.keyboard.press("Enter")
        await expect(dialog).to_be_hidden()
        await expect(panel.get_by_text("122", exact=True)).to_be_visible(timeout=60_000)

    async def test_edit_updaters(self, visit: Visit, worker: Worker, user: Any) -> None:
        await sync_to_async(permit)(user, "change")
        instance = await sync_to_async(create)("ok", user, execute=True)
        page = await visit(instance)
        await expect(badge(page)).to_have_text("Done", timeout=60_000)
        await choose(page, "first")
        section = page.locator("details.section", has=page.get_by_role("heading", name="Context updaters"))
        await section.locator("summary").first.focus()
        await page.keyboard.press("Enter")
        await section.get_by_role("button", name="Edit").focus()
        await page.keyboard.press("Enter")
        area = section.get_by_label("Context updaters")
        await expect(area).to_be_focused()
        await area.fill('{"no": "list"}')
        await expect(section.get_by_role("alert")).to_have_text("Updaters are a list of objects.")
        await area.fill('[{"weather": "rain"}]')
        await section.get_by_role("button", name="Save").focus()
        await page.keyboard.press("Enter")
        await expect(section.get_by_role("alert")).to_contain_text("Refused: The updater is wrong at [0]#.weather")
        await check(page, "jobs-flow-run-updaters")
        await area.fill('[{"weather": {"$set": "rain"}}]')
        await section.get_by_role("button", name="Save").focus()
        await page.keyboard.press("Enter")
        await expect(section.get_by_text("Saved.")).to_be_visible()
        await expect(section.get_by_text("$set")).to_be_visible()
        assert (await jobs.aget_task(instance, "#.first"))["updaters"] == [{"weather": {"$set": "rain"}}]


class TestCommandsOfNoWorker:
    """By keyboard alone; a worker would not wait for it."""

    async def test_pause_unpause_cancel_and_destroy(self, visit: Visit, make: Make, user: Any) -> None:
        await sync_to_async(permit)(user, "delete")
        driven = await sync_to_async(make)(["load", "report"])
        await asyncio.to_thread(lambda: driven.start().claim("#.load"))
        page = await visit(driven.id, commands="all")
        await expect(badge(page)).to_have_text("Running")
        await ask(page, "Pause", "Pause")
        await expect(badge(page)).to_have_text("Paused")
        await expect(page.get_by_role("button", name="Unpause")).to_be_focused()
        await ask(page, "Unpause", "Unpause")
        await expect(badge(page)).to_have_text("Running")
        await choose(page, "load")
        await ask(page, "Cancel this task…", "Cancel the task")
        await press(page, page.get_by_role("button", name="Cancel this task…"), usable=False)
        await expect(page.get_by_text("It is being cancelled.")).to_be_visible()
        await ask(page, "Cancel…", "Cancel the run")
        await expect(badge(page)).to_have_text("Cancelling")
        await asyncio.to_thread(driven.end, "#.load", status="cancelled")
        await expect(badge(page)).to_have_text("Cancelled")
        # What makes no sense now says why instead.
        await press(page, page.get_by_role("button", name="Pause"), usable=False)
        await expect(page.get_by_text("It is not running.", exact=True)).to_be_visible()
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await ask(page, "Destroy…", "Destroy")
        await expect(page.get_by_text("This workflow has been removed.")).to_be_visible()

    async def test_what_is_refused_is_said_where_the_button_is(self, visit: Visit, make: Make, user: Any) -> None:
        other = await sync_to_async(get_user_model().objects.create_user)("other")
        driven = await sync_to_async(make)(owner=other)
        await sync_to_async(permit)(user, "view")
        page = await visit(driven.id)
        dialog = await ask(page, "Run all", "Run all", refused=True)
        await expect(dialog.get_by_role("alert")).to_contain_text("Refused: You may see workflow instance")
        await expect(dialog).to_be_visible()
        await check(page, "jobs-flow-run-refused")


class TestWhoSeesWhat:
    async def test_results_are_hidden_without_the_permission(self, visit: Visit, make: Make, user: Any) -> None:
        other = await sync_to_async(get_user_model().objects.create_user)("other")
        driven = await sync_to_async(make)(owner=other)
        await sync_to_async(permit)(user, "view")
        await asyncio.to_thread(half_way, driven)
        await asyncio.to_thread(fail, driven)
        page = await visit(driven.id)
        await choose(page, "load")
        await expect(page.get_by_text("Results, arguments, errors and logs are not shown to you.")).to_be_visible()
        await expect(page.get_by_text("1461")).to_have_count(0)
        await choose(page, "wind")
        await expect(page.locator(".panel").get_by_text("ValueError")).to_be_visible()
        await expect(page.get_by_text("could not convert")).to_have_count(0)
        await check(page, "jobs-flow-run-hidden")

    async def test_a_guest_with_a_ticket_watches(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)()
        await asyncio.to_thread(half_way, driven)
        page = await visit(driven.id, session=None, ticket=make_ticket(driven.id, payload=True))
        await expect(badge(page)).to_have_text("Running")
        await choose(page, "load")
        await expect(page.get_by_text("seattle.csv")).to_be_visible()
        await expect(page.get_by_role("group", name="Commands")).to_be_hidden()
        await asyncio.to_thread(fail, driven)
        await expect(badge(page)).to_have_text("Failed")


class TestLive:
    async def test_what_the_reader_does_stays_as_it_is(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)()
        await asyncio.to_thread(half_way, driven)
        lowest = "#.summarise.temperature.lowest"
        await asyncio.to_thread(driven.log, lowest, *(f"day {number}" for number in range(60)))
        page = await visit(driven.id)
        await choose(page, "lowest")
        log = page.get_by_role("log")
        await expect(log.get_by_text("day 59")).to_be_in_viewport()
        # Scrolled back, it no longer follows.
        await log.evaluate("log => log.scrollTo(0, 40)")
        await expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "false")
        await task(page, "months").focus()
        await page.keyboard.press("ArrowRight")
        await expect(task(page, "month_01")).to_be_visible()
        await asyncio.to_thread(driven.log, lowest, "one more")
        await asyncio.to_thread(driven.complete, "#.summarise.months.month_26")
        await expect(task(page, "month_26 Done")).to_be_visible()
        await expect(log.get_by_text("one more")).to_be_attached()
        assert await log.evaluate("log => log.scrollTop") == 40
        await expect(task(page, "months")).to_be_focused()
        await expect(task(page, "lowest")).to_have_attribute("aria-selected", "true")
        await page.get_by_role("button", name="Follow").focus()
        await page.keyboard.press("Enter")
        await expect(log.get_by_text("one more")).to_be_in_viewport()

        # A new description of the same tasks leaves the place, too; the failure of another task selects nothing.
        await asyncio.to_thread(driven.end, "#.summarise.months.month_25", 1)
        await asyncio.to_thread(driven.storage.cancel, driven.id, "#")
        await asyncio.to_thread(driven.end, lowest, status="cancelled")
        await expect(task(page, "lowest Cancelled")).to_have_attribute("aria-selected", "true")
        await expect(task(page, "months")).to_have_attribute("aria-expanded", "true")

    async def test_earlier_lines_come_when_they_are_asked_for(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)(["a"])
        await asyncio.to_thread(lambda: driven.start().claim("#.a").log("#.a", *(f"line {n}" for n in range(450))))
        page = await visit(driven.id)
        await choose(page, "a")
        lines = page.get_by_role("log").get_by_role("listitem")
        await expect(lines.last).to_have_text("line 449")
        before = await lines.count()
        assert before < 450
        while await lines.count() < 450:
            known = await lines.count()
            await page.get_by_role("button", name="earlier").focus()
            await page.keyboard.press("Enter")
            await expect(lines).not_to_have_count(known)
        await expect(lines.first).to_have_text("line 0")
        await expect(page.get_by_role("button", name="earlier")).to_be_hidden()
        assert await lines.evaluate_all("lines => new Set(lines.map((line) => line.textContent)).size") == 450

    async def test_a_new_run_begins_the_log_anew(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)(["load", "report"])
        await asyncio.to_thread(lambda: driven.start().claim("#.load").log("#.load", "one", "two", "three"))
        page = await visit(driven.id)
        await choose(page, "load")
        lines = page.get_by_role("log").get_by_role("listitem")
        await expect(lines).to_have_text(["one", "two", "three"])
        await asyncio.to_thread(lambda: driven.end("#.load", 1).complete("#.report"))
        await asyncio.to_thread(lambda: driven.start().claim("#.load").log("#.load", "new"))
        await expect(lines).to_have_text(["new"])
        await asyncio.to_thread(driven.log, "#.load", "newer")
        await expect(lines).to_have_text(["new", "newer"])

    async def test_tab_stops(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)()
        await asyncio.to_thread(half_way, driven)
        page = await visit(driven.id)
        await expect(badge(page)).to_have_text("Running")
        stops = []
        for _ in range(9):
            await page.keyboard.press("Tab")
            stops.append(
                await page.evaluate(
                    """() => {
                        const active = document.activeElement.shadowRoot?.activeElement;
                        return active ? (active.querySelector(".name") ?? active).textContent : "";
                    }"""
                )
            )
        assert stops == ["Run all", "Resume…", "Pause", "Cancel…", "Reset…", "Tree", "Timeline", "load", ""]


class TestPage:
    @pytest.mark.parametrize("element", ELEMENTS)
    async def test_that_centres_and_spaces_its_text_leaves_ours_alone(
        self, visit: Visit, make: Make, element: str
    ) -> None:
        driven = await sync_to_async(make)()
        page = await visit(driven.id, element)
        await page.evaluate(
            "Object.assign(document.body.style,"
            " {textAlign: 'center', textTransform: 'uppercase', letterSpacing: '3px'})"
        )
        found = await page.locator(f"{element} .name").first.evaluate(
            "node => { const {textAlign, textTransform, letterSpacing} = getComputedStyle(node);"
            " return [textAlign, textTransform, letterSpacing]; }"
        )
        assert found == ["start", "none", "normal"]

    async def test_with_both_scripts_has_one_of_everything(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)()
        sockets: list[str] = []

        async def listen(page: Page) -> None:
            page.on("websocket", lambda socket: sockets.append(socket.url))

        page = await visit(driven.id, "jobs-flow-progress", before=listen)
        await expect(badge(page)).to_have_text("Not started")
        await page.evaluate("JobsFlow.words.instance.inactive = 'Still to come'")
        await page.add_script_tag(url="/jobs-flow-run.js")
        await page.evaluate(
            """id => {
                JobsFlow.words.run.commands.run = "Go";
                const element = document.createElement("jobs-flow-run");
                element.setAttribute("instance", id);
                document.querySelector("main").append(element);
            }""",
            driven.id,
        )
        run = page.locator("jobs-flow-run")
        await expect(run.locator(".header .badge")).to_have_text("Still to come")
        await expect(run.get_by_role("button", name="Go")).to_be_visible()
        await expect(run.get_by_role("treeitem")).to_have_count(9)
        assert len(sockets) == 1

    async def test_hears_what_happens_and_may_object(self, visit: Visit, make: Make) -> None:
        driven = await sync_to_async(make)()
        page = await visit(driven.id)
        await page.evaluate(
            """() => {
                window.heard = [];
                for (const name of ["select", "command"]) {
                    addEventListener(`jobs-flow:${name}`, (event) => {
                        event.preventDefault();
                        heard.push([name, event.detail.command ?? null, event.detail.path]);
                    });
                }
            }"""
        )
        await choose(page, "load")
        await ask(page, "Run all", "Run all")
        # Nobody registered this workflow in the server: had it been asked, it would have refused.
        assert await page.evaluate("heard") == [["select", None, "#.load"], ["command", "run", "#"]]
