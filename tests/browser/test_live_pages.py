"""What a page promises while it is live: it moves by itself, recovers from anything, and never lies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from jobs_flow_django import jobs
from jobs_flow_django.models import WorkflowInstance
from testproject.weather.workflows import NAME, report_data
from tests.support.eventually import eventually
from tests.support.pages import assert_not_reloaded, mark, statuses
from tests.support.processes import WebServer, Worker
from tests.support.proxy import CuttingProxy

pytestmark = pytest.mark.django_db(transaction=True)

OpenPage = Callable[..., Page]
TakePicture = Callable[[Page, str], None]

#: Begins a run from the page, over the page's own socket.
RUN = "id => JobsFlow.JobsFlowClient.for('/ws/jobs-flow/').executeAll(id).then(() => null)"
RECONNECT = "() => JobsFlow.JobsFlowClient.for('/ws/jobs-flow/').reconnect()"
STATUS = "() => document.querySelector('jobs-flow-progress').state.status"
PROGRESS = "() => document.querySelector('jobs-flow-progress').state.progress"
#: Everything that the element knows, without what differs from page to page.
KNOWN = """() => {
  const { tasks, statuses, logs, status, run, progress, counts, seq, error } =
    document.querySelector('jobs-flow-progress').state;
  return { tasks, statuses, logs, status, run, progress, counts, seq, error };
}"""


@pytest.fixture
def instance(session: dict[str, Any], storage_url: str) -> str:
    """The id of a report of ada's that was not begun yet."""
    ada = WorkflowInstance._meta.get_field("owner").related_model.objects.get(username="ada")
    return jobs.create_workflow_instance(NAME, report_data(year=2015), name="Weather", realm="demo", owner=ada)


@pytest.fixture
def address(instance: str) -> str:
    """The path of its page."""
    return f"/reports/{instance}/"


def begin(page: Page, instance: str) -> None:
    """Run all of its tasks."""
    expect(page.locator("jobs-flow-progress").get_by_text("Not started", exact=True)).to_be_visible()
    page.evaluate(RUN, instance)


def wait_for_the_end(page: Page) -> None:
    """Until the element knows that the run is done."""
    eventually(lambda: page.evaluate(STATUS) == "done", 120, interval=0.1)


def wait_for_progress(page: Page, share: float) -> None:
    """Until the element knows of more than that share of the tasks that they have ended."""
    eventually(lambda: page.evaluate(PROGRESS) > share, 60, interval=0.1)


def assert_same_in(one: Page, other: Page) -> None:
    """Both elements know the same, to the last field."""

    def compare() -> bool:
        mine, theirs = one.evaluate(KNOWN), other.evaluate(KNOWN)
        for path, view in mine["statuses"].items():
            assert view == theirs["statuses"][path], path
        assert mine == theirs
        return True

    assert eventually(compare, 60)


class TestProgress:
    def test_goes_from_0_to_100_percent_without_a_reload(
        self, instance: str, address: str, open_page: OpenPage, worker: Worker, take_picture: TakePicture
    ) -> None:
        page = open_page(address)
        mark(page)
        bar = page.locator("jobs-flow-progress").get_by_role("progressbar").first
        expect(bar).to_have_attribute("aria-valuenow", "0")
        take_picture(page, "live-not-started")
        page.evaluate(
            """() => {
              // The first change may tell of more than the start.
              window.shares = [document.querySelector("jobs-flow-progress").state.progress];
              document.addEventListener("jobs-flow:state", ({ detail }) => window.shares.push(detail.progress));
            }"""
        )
        begin(page, instance)
        wait_for_progress(page, 0.3)
        take_picture(page, "live-at-work")
        wait_for_the_end(page)
        assert_not_reloaded(page)
        shares = page.evaluate("window.shares")
        assert shares == sorted(shares)
        assert shares[0] == 0
        assert shares[-1] == 1
        assert len(set(shares)) > 5


class TestServer:
    def test_that_is_killed_and_started_again_in_the_middle_of_a_run_is_found_again(
        self,
        instance: str,
        address: str,
        server: WebServer,
        open_page: OpenPage,
        worker: Worker,
        take_picture: TakePicture,
    ) -> None:
        page = open_page(address)
        mark(page)
        begin(page, instance)
        wait_for_progress(page, 0.1)
        server.kill()
        card = page.locator("jobs-flow-progress")
        expect(card.get_by_text("Reconnecting…")).to_be_visible()
        take_picture(page, "live-server-away")
        # Meanwhile the run goes on, which the page cannot know.
        worker.wait_for_output(r"measures\.wind\[\S+\] succeeded", 90)
        server.start()
        wait_for_the_end(page)
        expect(card.get_by_text("Reconnecting…")).to_have_count(0)
        assert_not_reloaded(page)
        ends = statuses(page)
        assert set(ends.values()) == {"ok", "skipped"}, ends
        assert page.evaluate(PROGRESS) == 1


class TestTabs:
    def test_one_that_comes_late_knows_what_an_early_one_knows(
        self, instance: str, address: str, open_page: OpenPage, worker: Worker
    ) -> None:
        early = open_page(address)
        begin(early, instance)
        wait_for_progress(early, 0.3)
        late = open_page(address)
        wait_for_the_end(early)
        wait_for_the_end(late)
        assert_same_in(early, late)
        known = late.evaluate(KNOWN)
        assert known["statuses"]["#.load"]["status"] == "ok"
        assert known["logs"]["#.load"]["lines"][-1] == "365 readings"

    def test_two_move_together_and_one_that_is_hidden_is_told_when_it_is_shown(
        self, instance: str, address: str, open_page: OpenPage, worker: Worker
    ) -> None:
        one, other = open_page(address), open_page(address)
        expect(other.locator("jobs-flow-progress").get_by_text("Not started", exact=True)).to_be_visible()
        hide(other)
        begin(one, instance)
        wait_for_progress(one, 0.3)
        assert other.evaluate(STATUS) == "inactive"
        wait_for_the_end(one)
        assert other.evaluate(STATUS) == "inactive"
        hide(other, False)
        wait_for_the_end(other)
        assert other.evaluate(PROGRESS) == 1
        assert statuses(other) == statuses(one)


def hide(page: Page, hidden: bool = True) -> None:
    """Make the page believe that another tab is in front of it; browsers without a window show all of them."""
    page.evaluate(
        """async (state) => {
          Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
          Object.defineProperty(document, "hidden", { configurable: true, get: () => state === "hidden" });
          document.dispatchEvent(new Event("visibilitychange"));
          // An answered request says that the server knows it.
          const client = JobsFlow.JobsFlowClient.for("/ws/jobs-flow/");
          const { id } = document.querySelector("jobs-flow-progress").state;
          await client.getTask(id, "#.load");
        }""",
        "hidden" if hidden else "visible",
    )


class TestBadConnection:
    @pytest.fixture
    def proxy(self, server: WebServer) -> Iterator[CuttingProxy]:
        proxy = CuttingProxy(server.port, share=0.3, seed=11)
        yield proxy
        proxy.close()

    def test_that_is_cut_at_3_of_10_frames_tells_the_same_events_each_once(
        self, instance: str, address: str, proxy: CuttingProxy, open_page: OpenPage, worker: Worker
    ) -> None:
        good = open_page(address)
        expect(good.locator("jobs-flow-progress").get_by_text("Not started", exact=True)).to_be_visible()
        bad = open_page(address, base=proxy.url)
        expect(bad.locator("jobs-flow-progress").get_by_text("Not started", exact=True)).to_be_visible(timeout=120_000)
        begin(good, instance)
        wait_for_the_end(good)
        wait_for_the_end(bad)
        # However few helpings the run came in: after these, too, nothing is told twice.
        eventually(lambda: proxy.cuts >= 5 or bad.evaluate(RECONNECT), 120, interval=0.3)
        recorded = events_of(instance)
        assert recorded["#.load"][-1] == "[1] 365 readings"
        assert_same_in(good, bad)
        for page in (good, bad):
            assert ends_and_lines(page.evaluate("window.told")) == recorded


def events_of(instance: str) -> dict[str, list[str]]:
    """What the storage tells of each task: its end, and its log lines."""
    events = jobs.storage.events(instance, 0)
    assert events is not None
    told = []
    for event in events:
        told += [f"{path} {view['status']}" for path, view in event.data.get("tasks", {}).items() if "status" in view]
        for path, log in event.data.get("logs", {}).items():
            told += [f"{path} [{log['from'] + i}] {line}" for i, line in enumerate(log["lines"])]
    return ends_and_lines(told)


def ends_and_lines(told: list[str]) -> dict[str, list[str]]:
    """By path: the end first, then the lines; a start may be merged with the end, where the task was quick."""
    found: dict[str, list[str]] = {}
    for event in told:
        path, _, what = event.partition(" ")
        if what not in ("inactive", "queued", "running"):
            found.setdefault(path, []).append(what)
    return {path: sorted(events, key=lambda event: event.startswith("[")) for path, events in found.items()}


class TestForbidden:
    @pytest.fixture
    def stranger(self, sign_in: Callable[..., dict[str, Any]]) -> dict[str, Any]:
        return sign_in("stranger")

    def test_a_stranger_sees_nothing_and_starts_nothing(
        self,
        stranger: dict[str, Any],
        instance: str,
        address: str,
        open_page: OpenPage,
        worker: Worker,
        take_picture: TakePicture,
    ) -> None:
        page = open_page("/behaviours/", cookie=stranger)
        refused = page.evaluate(f"id => ({RUN})(id).catch((error) => error.code)", instance)
        assert refused == "INSTANCE_NOT_FOUND"
        page.evaluate(
            """id => {
              const element = document.createElement("jobs-flow-progress");
              element.setAttribute("instance", id);
              document.querySelector("main").prepend(element);
            }""",
            instance,
        )
        card = page.locator("jobs-flow-progress")
        expect(card.get_by_text("There is no such workflow, or you may not see it.")).to_be_visible()
        take_picture(page, "live-forbidden")
        owner = open_page(address)
        begin(owner, instance)
        wait_for_the_end(owner)
        state = page.evaluate("() => document.querySelector('jobs-flow-progress').state")
        assert (state["status"], state["statuses"], state["logs"], state["name"]) == (None, {}, {}, "")
        response = page.goto(f"{page.url.split('/behaviours')[0]}{address}")
        assert response is not None
        assert response.status == 404

    def test_who_is_not_signed_in_is_told_to(
        self, instance: str, address: str, open_page: OpenPage, take_picture: TakePicture
    ) -> None:
        page = open_page(address)
        expect(page.locator("jobs-flow-progress").get_by_text("Not started", exact=True)).to_be_visible()
        page.context.clear_cookies()
        # As after a deploy: the socket is gone, and what comes back knows nobody.
        page.evaluate(RECONNECT)
        expect(page.locator("jobs-flow-progress").get_by_text("Sign in to see this progress.")).to_be_visible()
        # What was seen before is for nobody's eyes any more.
        expect(page.locator("jobs-flow-progress li.task")).to_have_count(0)
        take_picture(page, "live-signed-out")
