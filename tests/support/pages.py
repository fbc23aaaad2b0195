"""What tests of pages in a real browser share; their fixtures are in ``tests/browser/conftest.py``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page, Route

#: Keeps every status that each task was seen with, and what the page's policy stopped; runs before the page's own
#: scripts. ``seen``: statuses by path; ``told``: starts and ends of tasks and log lines, one after the other.
RECORDER = """
  window.seen = {};
  window.told = [];
  window.violations = [];
  document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
  const lines = {};
  document.addEventListener("jobs-flow:state", ({ detail }) => {
    for (const [path, { status, run }] of Object.entries(detail.statuses)) {
      const known = (window.seen[path] ??= []);
      if (known.at(-1) === status) continue;
      known.push(status);
      if (!["inactive", "queued"].includes(status)) window.told.push(`${path} ${status}`);
    }
    for (const [path, log] of Object.entries(detail.logs)) {
      const from = Math.max(lines[path] ?? 0, log.from);
      log.lines.slice(from - log.from).forEach((line, i) => window.told.push(`${path} [${from + i}] ${line}`));
      lines[path] = log.from + log.lines.length;
    }
  });
"""


def mark(page: Page) -> None:
    """Leave something behind that a reload would remove."""
    page.evaluate("window.marker = 'still the same page'")


def assert_not_reloaded(page: Page) -> None:
    """It is still there."""
    assert page.evaluate("window.marker") == "still the same page"


def assert_fits(page: Page) -> None:
    """Nothing is wider than the window."""
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@contextmanager
def unanswered(page: Page, url: str) -> Iterator[None]:
    """What the page asks for there is answered only afterwards; until then it shows what it shows."""
    waiting: list[Route] = []
    over = False

    def handle(route: Route) -> None:
        if over:
            route.continue_()
        else:
            waiting.append(route)

    page.route(url, handle)
    yield
    over = True
    for route in waiting:
        route.continue_()


def statuses(page: Page) -> dict[str, Any]:
    """The status in which the page's element last saw each task."""
    return {path: seen[-1] for path, seen in page.evaluate("window.seen").items()}
