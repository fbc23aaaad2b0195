"""Fixtures of the tests in a browser: users, the running project, pages that must not break its policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support.pages import RECORDER
from tests.support.processes import WebServer, Worker
from tests.support.servers import CHROMIUM_FLAGS


@pytest.fixture
def sign_in(transactional_db: None) -> Callable[..., dict[str, Any]]:
    """The cookie of a user, made with what is said of it: ``sign_in("ada", is_superuser=True, is_staff=True)``.

    To be called before the browser is there, because Django's ORM refuses to work beside its event loop.
    """

    def cookie_of(name: str, **fields: Any) -> dict[str, Any]:
        user, _ = get_user_model().objects.get_or_create(username=name, defaults=fields)
        client = Client()
        client.force_login(user)
        return {"name": settings.SESSION_COOKIE_NAME, "value": client.cookies[settings.SESSION_COOKIE_NAME].value}

    return cookie_of


@pytest.fixture
def session(sign_in: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """The cookie of a user without any permission."""
    return sign_in("ada")


@pytest.fixture
def server(session: dict[str, Any], storage_url: str, start_web: Callable[..., WebServer]) -> WebServer:
    """The running project."""
    return start_web()


@pytest.fixture
def site(server: WebServer) -> str:
    """Its address."""
    return server.url


@pytest.fixture
def worker(session: dict[str, Any], storage_url: str, start_worker: Callable[..., Worker]) -> Worker:
    """A worker whose tasks rest a little, so that there is something to see."""
    return start_worker("testproject", env={"DEMO_PACE": "0.1"})


@pytest.fixture
def browser(chromium: Path) -> Iterator[Browser]:
    """The browser, for one test."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS), timeout=90_000)
        yield browser
        browser.close()


@pytest.fixture
def open_page(site: str, session: dict[str, Any], browser: Browser) -> Iterator[Callable[..., Page]]:
    """A function that opens a page of the site, logged in; afterwards no policy was violated and no script failed.

    ``cookie``: somebody else's, or None; ``base``: another address of the site; others go to the browser's context.
    """
    contexts: list[BrowserContext] = []
    pages: list[Page] = []
    errors: list[str] = []

    def open_at(path: str, *, cookie: dict[str, Any] | None = session, base: str = site, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1100, "height": 800}, **options})
        if cookie is not None:
            context.add_cookies([{**cookie, "url": base}])
        context.add_init_script(RECORDER)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        pages.append(page)
        page.goto(f"{base}{path}")
        return page

    yield open_at
    violations = [page.evaluate("window.violations") for page in pages if not page.is_closed()]
    for context in contexts:
        context.close()
    assert violations == [[]] * len(violations)
    assert errors == []
