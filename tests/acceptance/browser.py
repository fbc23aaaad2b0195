"""A browser without a window: cookies and forms, for servers that run in a process of their own."""

from __future__ import annotations

import re
from http.cookiejar import CookieJar
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener


class Browser:
    """It remembers cookies, and where it is."""

    def __init__(self) -> None:
        self._cookies = CookieJar()
        self._opener = build_opener(HTTPCookieProcessor(self._cookies))
        self.address = ""

    @property
    def cookies(self) -> str:
        """As a header says them."""
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self._cookies)

    def get(self, address: str) -> str:
        """The text of a page; its address after redirects is kept."""
        with self._opener.open(address, timeout=60) as answer:
            self.address = answer.url
            return str(answer.read().decode())

    def post(self, address: str, page: str, **fields: str) -> str:
        """Send a form of that page."""
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert token, page
        body = urlencode({"csrfmiddlewaretoken": token.group(1), **fields}).encode()
        request = Request(address, body, {"Referer": self.address})
        with self._opener.open(request, timeout=60) as answer:
            self.address = answer.url
            return str(answer.read().decode())
