"""axe, the accessibility checker, in the pages of tests."""

from __future__ import annotations

from functools import cache
from typing import Any

from scripts.environment import ROOT

#: Installed with the other tools of the clients, by ``npm ci`` in ``clients``.
SCRIPT = ROOT / "clients" / "node_modules" / "axe-core" / "axe.min.js"

_RUN = """async (rules) => {
    const found = await axe.run(document, { resultTypes: ["violations"], ...(rules && { runOnly: rules }) });
    return found.violations.map(({ id, impact, help, nodes }) => ({
        id, impact, help, nodes: nodes.map(({ target, failureSummary }) => [target.flat().join(" "), failureSummary]),
    }));
}"""


@cache
def source() -> str:
    """The program; evaluated in a page by the driver, it needs no leave of the page's policy."""
    if not SCRIPT.is_file():
        raise AssertionError(f"{SCRIPT.relative_to(ROOT)} is missing: run `make clients`, or `npm ci` in clients/")
    return SCRIPT.read_text(encoding="utf-8")


async def serious_faults(page: Any, *rules: str) -> list[str]:
    """What axe finds in an asynchronous Playwright page that is serious or critical, for people to read.

    ``rules``: only these, such as ``color-contrast`` for a page that differs in nothing else from one that was checked.
    """
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(f"() => {{ {source()} }}")
    found = await page.evaluate(_RUN, list(rules) or None)
    return [
        f"{fault['id']} ({fault['impact']}): {fault['help']}\n  " + "\n  ".join(map(" — ".join, fault["nodes"][:3]))
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]
