"""The test page in a browser: instances made, watched, run, looked for and removed without a reload."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

from playwright.sync_api import APIResponse, Locator, Page, Route, expect

from tests.support.eventually import eventually
from tests.support.pages import assert_fits, assert_not_reloaded, mark
from tests.support.processes import Worker

OpenPage = Callable[..., Page]
TakePicture = Callable[[Page, str], None]

STATUS = "() => document.querySelector('jobs-flow-progress').state.status"
TOO_WIDE = """graph => [...graph.querySelectorAll("g > svg")].flatMap((clip) => [...clip.querySelectorAll("text")]
    .filter((text) => text.getBBox().width > clip.width.baseVal.value).map((text) => text.textContent))"""


def create(page: Page, workflow: str, *, shown: bool = True, **fields: str | bool) -> Locator:
    """An instance made with the form; its place in the list, where it is ``shown`` by now."""
    form = page.locator("#create")
    form.get_by_label("Workflow").select_option(workflow)
    for label, value in {"Realm": "play", "Key": "", "Ephemeral": False, "Execute at once": True, **fields}.items():
        field = form.get_by_label(label, exact=True)
        field.set_checked(value) if isinstance(value, bool) else field.fill(value)
    said = form.get_by_role("status")
    before = said.inner_text() if said.count() else ""
    button = form.get_by_role("button", name="Create")
    send(page, button) if shown else button.click()
    expect(said).not_to_have_text(before)
    expect(said).to_contain_text(re.compile(r"[0-9a-f-]{36}"))
    found = re.search(r"[0-9a-f-]{36}", said.inner_text())
    assert found is not None
    item = page.locator(f"#instance-{found.group()}")
    expect(item).to_be_visible(visible=shown)
    return item


def send(page: Page, button: Locator) -> None:
    """Press the button of a form after which the list is made anew, and wait for that.

    What was opened in the old list is gone with it, and so is what its elements still show of an earlier run.
    """
    page.locator("#instances").evaluate("area => { for (const each of area.children) each.dataset.old = ''; }")
    button.click()
    expect(page.locator("#instances > [data-old]")).to_have_count(0)


def ends(item: Locator, status: str, *, run: int = 1) -> None:
    element = item.locator("jobs-flow-progress")
    # What is shown of the run before may be the same.
    eventually(lambda: element.evaluate("element => element.state.run") == run, 60, interval=0.1)
    expect(element).to_contain_text(status, timeout=60_000)


#: ``texts``: answers that the page's scripts have read and dealt with.
COUNT_TEXTS = """() => {
    window.texts = 0;
    const read = Response.prototype.text;
    Response.prototype.text = async function () {
        const text = await read.call(this);
        setTimeout(() => texts++);
        return text;
    };
}"""


class Late:
    """A list of instances that was asked for, and answered, before what else happens; and comes after it."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._is_asked = False
        self._held: list[tuple[Route, APIResponse]] = []
        page.evaluate(COUNT_TEXTS)
        # For good: with its last route a page lets go of what is held.
        page.route("**/playground/instances/", self._handle)

    def _handle(self, route: Route) -> None:
        if self._is_asked:
            route.continue_()
        else:
            self._is_asked = True
            self._held.append((route, route.fetch()))

    def wait(self) -> None:
        """Until it is answered."""
        # Asked through the page: nothing happens to it while nobody asks it.
        eventually(lambda: self._page.evaluate("true") and self._held)

    def come(self) -> None:
        """Returns when the page has done with it what it does."""
        before = self._page.evaluate("texts")
        route, answer = self._held[0]
        route.fulfill(response=answer)
        self._page.wait_for_function("before => texts > before", arg=before)


class TestLateLists:
    WAITS: ClassVar[dict[str, bool]] = {"Execute at once": False}

    def test_do_not_replace_newer_ones(self, open_page: OpenPage) -> None:
        page = open_page("/playground/")
        late = Late(page)
        first = create(page, "behaviour_ok", shown=False, **self.WAITS)
        late.wait()
        second = create(page, "behaviour_ok", **self.WAITS)
        late.come()
        for each in (first, second):
            expect(each).to_be_visible()

    def test_bring_back_nothing_that_is_gone(self, open_page: OpenPage) -> None:
        page = open_page("/playground/")
        gone = create(page, "behaviour_ok", **self.WAITS)
        late = Late(page)
        other = create(page, "behaviour_ok", shown=False, **self.WAITS)
        late.wait()
        elsewhere = open_page("/playground/")
        here = elsewhere.locator(f"#{gone.get_attribute('id')}")
        send(elsewhere, here.get_by_role("button", name="Delete"))
        expect(gone).to_have_count(0)
        late.come()
        expect(other).to_be_visible()
        expect(gone).to_have_count(0)


class TestPlayground:
    def test_everything_once(self, open_page: OpenPage, worker: Worker, take_picture: TakePicture) -> None:
        page = open_page("/playground/", viewport={"width": 1100, "height": 900})
        expect(page.get_by_text("There are none yet.")).to_be_visible()
        mark(page)
        ephemeral = create(page, "behaviour_ok", Ephemeral=True)
        ends(ephemeral, "Done")
        parallel = create(page, "behaviour_parallel", Key="may", Realm="other")
        failing = create(page, "behaviour_failing", **{"Execute at once": False})
        waiting = create(page, "behaviour_ok", **{"Execute at once": False})
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
        send(page, failing.get_by_role("button", name="Run all"))
        expect(page.locator("#said")).to_contain_text("Run 1 of")
        ends(failing, "There are no more umbrellas.")
        failing.get_by_text("Resume, or run one task").click()
        send(page, failing.get_by_role("button", name="Resume"))
        expect(page.locator("#said")).to_contain_text("with #.reserve, #.send.")
        ends(failing, "There are no more umbrellas.", run=2)
        failing.get_by_text("Resume, or run one task").click()
        failing.get_by_label("Task", exact=True).select_option("#.send")
        send(page, failing.get_by_role("button", name="Run the task"))
        expect(page.locator("#said").get_by_role("alert")).to_contain_text("CANNOT_START_TASK")
        failing.get_by_text("Resume, or run one task").click()
        failing.get_by_label("Task", exact=True).select_option("#.order")
        failing.get_by_label("Argument, as JSON").fill('{"of": "Ada"}')
        send(page, failing.get_by_role("button", name="Run the task"))
        expect(page.locator("#said")).to_contain_text("with #.order alone")

        # Without a worker.
        sync = page.locator("#sync")
        sync.get_by_label("Workflow").select_option("behaviour_context")
        sync.get_by_role("button").click()
        expect(sync).to_contain_text("Ada: 3 items at 7.5, 22.5 in all", timeout=60_000)

        # A realm, and only that.
        ends(parallel, "Done")
        realm = page.locator("#realm")
        realm.get_by_label("Realm").fill("other")
        send(page, realm.get_by_role("button"))
        expect(realm).to_contain_text("This would delete 1 instance")
        take_picture(page, "playground-all")
        send(page, realm.get_by_role("button", name="Delete the realm other"))
        expect(realm.get_by_role("status")).to_contain_text("1 removed from the realm other.")
        expect(parallel).to_have_count(0)
        expect(failing).to_have_count(1)
        send(page, failing.get_by_role("button", name="Delete"))
        expect(failing).to_have_count(0)

        # The first ephemeral one may be gone by now. No form is sent after this: from a list that is made anew one that
        # was removed is missing, without a word.
        ephemeral = create(page, "behaviour_ok", Ephemeral=True)
        ends(ephemeral, "Done")
        page.emulate_media(color_scheme="dark")
        page.set_viewport_size({"width": 360, "height": 740})
        waiting.get_by_text("Resume, or run one task").click()
        assert_fits(page)
        take_picture(page, "playground-phone")

        # Nobody asked for this: it goes by itself, and the page is told.
        short = str(ephemeral.get_attribute("id"))[-8:]
        expect(ephemeral).to_have_count(0, timeout=90_000)
        expect(page.get_by_role("log")).to_contain_text(f"{short} was removed")
        assert_not_reloaded(page)

    def test_the_tags_and_a_ticket(self, open_page: OpenPage, worker: Worker, take_picture: TakePicture) -> None:
        page = open_page("/playground/tags/", viewport={"width": 360, "height": 740}, color_scheme="dark")
        page.get_by_role("button", name="Start an example").click()
        # Whoever has the ticket watches without a login.
        address = page.get_by_role("link", name="Open the page that needs only a ticket").get_attribute("href")
        stranger: Any = open_page(address, cookie=None)
        for each in (page, stranger):
            eventually(lambda each=each: each.evaluate(STATUS) == "done", 60, interval=0.1)
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
