"""Pages with ``<jobs-flow-progress>`` and nothing else, and the socket.

``uvicorn tests.support.live_site:application``; ``/?instance=ID&src=/result``: an element for each instance, with
the other parameters as attributes, under the strict content security policy of the example project.
``element=jobs-flow-run`` makes them of another kind, ``dir=rtl`` is the page's.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import django

django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402

from jobs_flow_django import setup_websocket  # noqa: E402
from testproject.middleware import POLICY  # noqa: E402

STATIC = Path(__file__).parents[2] / "jobs_flow_django" / "static" / "jobs_flow"

RESULT = '<h1 id="result">The result</h1><script src="/never.js"></script>'
NEVER = "document.title = 'a script of the result was run'"
STYLE = """
body { margin: 24px; background: Canvas; color-scheme: light dark; }
jobs-flow-progress { max-width: 720px; }
@media (max-width: 500px) { body { margin: 12px; } }
"""


def page(query: str) -> str:
    elements = []
    given = dict(parse_qsl(query, keep_blank_values=True))
    tag, direction = escape(given.get("element", "jobs-flow-progress")), escape(given.get("dir", "ltr"))
    script = "jobs-flow-run.js" if tag == "jobs-flow-run" else "jobs-flow.js"
    for number, value in enumerate(value for name, value in parse_qsl(query) if name == "instance"):
        others = {name: value for name, value in given.items() if name not in ("instance", "element", "dir")}
        attributes = {"instance": value, "id": f"element{number}", **others}
        listed = " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items())
        elements.append(f"<{tag} {listed}></{tag}>")
    return (
        f'<!doctype html><html lang="en" dir="{direction}"><meta charset="utf-8"><title>live</title>'
        '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/style.css">'
        f'<link rel="icon" href="data:,"><script src="/{script}" defer></script><main>{"<br>".join(elements)}</main>'
    )


def respond(path: str, query: str) -> tuple[int, str, str]:
    match path:
        case "/":
            return 200, "text/html", page(query)
        case "/jobs-flow.js" | "/jobs-flow.mjs" | "/jobs-flow-run.js" | "/jobs-flow-core.mjs":
            return 200, "text/javascript", (STATIC / path[1:]).read_text(encoding="utf-8")
        case "/style.css":
            return 200, "text/css", STYLE
        case "/result":
            return 200, "text/html", RESULT
        case "/never.js":
            return 200, "text/javascript", NEVER
        case _:
            return 404, "text/plain", "there is nothing here"


async def pages(scope: Any, receive: Any, send: Any) -> None:
    if scope["path"].startswith("/jobs-flow/"):
        await project(scope, receive, send)
        return
    status, kind, body = respond(scope["path"], scope["query_string"].decode())
    headers = [(b"content-type", f"{kind}; charset=utf-8".encode()), (b"content-security-policy", POLICY.encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})


#: Has the HTTP door at ``/jobs-flow/``.
project = get_asgi_application()

application = setup_websocket(pages)
