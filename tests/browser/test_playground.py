"""The test page in a browser: instances made, watched, run, looked for and removed without a reload."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.support.eventually import eventually
from tests.support.pages import assert_fits, assert_not_reloaded, mark
from tests.support.processes import Worker

OpenPage = Callable[..., Page]
TakePicture = Callable[[Page, str], None]

STATUS = "() => document.querySelector('jobs-flow-progress').state.status"
TOO_WIDE = """graph => [...graph.querySelectorAll("g > svg")].flatMap((clip) => [...clip.querySelectorAll("text")]
    .filter((text) => text.getBBox().width > clip.width.baseVal.value).map((text) => text.textContent))"""


def create(page: Page, workflow: str, **fields: str | bool) -> Locator:
    """An instance made with the form; its place in the list."""
    form = page.locator("#create")
    form.get_by_label("Workflow").select_option(workflow)
    for label, value in {"Realm": "play", "Key": "", "Ephemeral": False, "Execute at once": True, **fields}.items():
        field = form.get_by_label(label, exact=True)
        field.set_checked(value) if isinstance(value, bool) else field.fill(value)
    said = form.get_by_role("status")
    before = said.inner_text() if said.count() else ""
    form.get_by_role("button", name="Create").click()
    expect(said).not_to_have_text(before)
    expect(said).to_contain_text(re.compile(r"[0-9a-f-]{36}"))
    found = re.search(r"[0-9a-f-]{36}", said.inner_text())
    assert found is not None
    item = page.locator(f"#instance-{found.group()}")
    expect(item).to_be_visible()
    return item


def ends(item: Locator, status: str) -> None:
    expect(item.locator("jobs-flow-progress")).to_contain_text(status, timeout=20_000)


class TestPlayground:
    def test_everything_once(self, open_page: OpenPage, worker: Worker, take_picture: TakePicture) -> None:
        page = open_page("/playground/", viewport={"width": 1100, "height": 900})
        expect(page.get_by_text("There are none yet.")).to_be_visible()
        mark(page)
        ephemeral = create(page, "behaviour_ok", Ephemeral=True)
        parallel = create(page, "behaviour_parallel", Key="may", Realm="other")
        failing = create(page, "behaviour_failing", **{"Execute at once": False})
        ends(ephemeral, "Done")
        take_picture(page, "playground")

        # A key is taken once, and found.
        same = create(page, "behaviour_parallel", Key="may", Realm="other")
        assert same.get_attribute("id") == parallel.get_attribute("id")
        exists = page.locator("#exists")
        exists.get_by_label("Workflow").select_option("behaviour_parallel")
        exists.get_by_label("Realm").fill("other")
        for key, answer in (("june", "It does not exist."), ("may", "It exists")):
            exists.get_by_label("Key").fill(key)
            exists.get_by_role("button").click()
            expect(exists.get_by_role("status")).to_contain_text(answer)

        # All, one with an argument, and on from where it failed.
        failing.get_by_role("button", name="Run all").click()
        expect(page.locator("#said")).to_contain_text("Run 1 of")
        ends(failing, "There are no more umbrellas.")
        failing.get_by_text("Resume, or run one task").click()
        failing.get_by_role("button", name="Resume").click()
        expect(page.locator("#said")).to_contain_text("with #.reserve, #.send.")
        ends(failing, "There are no more umbrellas.")
        failing.get_by_text("Resume, or run one task").click()
        failing.get_by_label("Task", exact=True).select_option("#.send")
        failing.get_by_role("button", name="Run the task").click()
        expect(page.locator("#said").get_by_role("alert")).to_contain_text("CANNOT_START_TASK")
        failing.get_by_text("Resume, or run one task").click()
        failing.get_by_label("Task", exact=True).select_option("#.order")
        failing.get_by_label("Argument, as JSON").fill('{"of": "Ada"}')
        failing.get_by_role("button", name="Run the task").click()
        expect(page.locator("#said")).to_contain_text("with #.order alone")

        # Without a worker.
        sync = page.locator("#sync")
        sync.get_by_label("Workflow").select_option("behaviour_context")
        sync.get_by_role("button").click()
        expect(sync).to_contain_text("Ada: 3 items at 7.5, 22.5 in all", timeout=20_000)

        # A realm, and only that.
        ends(parallel, "Done")
        realm = page.locator("#realm")
        realm.get_by_label("Realm").fill("other")
        realm.get_by_role("button").click()
        expect(realm).to_contain_text("This would delete 1 instance")
        take_picture(page, "playground-all")
        realm.get_by_role("button", name="Delete the realm other").click()
        expect(realm.get_by_role("status")).to_contain_text("1 removed from the realm other.")
        expect(parallel).to_have_count(0)
        expect(failing).to_have_count(1)
        failing.get_by_role("button", name="Delete").click()
        expect(failing).to_have_count(0)

        page.emulate_media(color_scheme="dark")
        page.set_viewport_size({"width": 360, "height": 740})
        ephemeral.get_by_text("Resume, or run one task").click()
        assert_fits(page)
        take_picture(page, "playground-phone")

        # Nobody asked for this: it goes by itself, and the page is told.
        expect(ephemeral).to_have_count(0, timeout=40_000)
        expect(page.get_by_role("log")).to_contain_text("was removed")
        assert_not_reloaded(page)

    def test_the_tags_and_a_ticket(self, open_page: OpenPage, worker: Worker, take_picture: TakePicture) -> None:
        page = open_page("/playground/tags/", viewport={"width": 360, "height": 740}, color_scheme="dark")
        page.get_by_role("button", name="Start an example").click()
        # Whoever has the ticket watches without a login.
        address = page.get_by_role("link", name="Open the page that needs only a ticket").get_attribute("href")
        stranger: Any = open_page(address, cookie=None)
        for each in (page, stranger):
            eventually(lambda each=each: each.evaluate(STATUS) == "done", 30, interval=0.1)
            assert_fits(each)
        take_picture(stranger, "ticket")
        take_picture(page, "tags-phone")
        page.set_viewport_size({"width": 1100, "height": 900})
        take_picture(page, "tags")
        expect(page.locator("jobs-flow-run")).to_contain_text("middle")
        page.goto(page.url.removesuffix("tags/"))
        page.get_by_role("link", name="Drawing of").click()
        graph = page.locator("svg.jf-graph")
        expect(graph.locator(".jf-node.jf-ok")).to_have_count(7)
        # Whatever the font: no text goes over the edge of its box, and none would without being cut off.
        assert graph.evaluate(TOO_WIDE) == []
        take_picture(page, "drawing")
        page.set_viewport_size({"width": 360, "height": 740})
        assert_fits(page)
