"""``{% load jobs_flow %}``: the live progress of an instance in any page, and all of its run.

The script goes into the page once, the elements wherever a view is replaced by its progress::

    {% jobs_flow_script %}
    {% jobs_flow_progress instance src=result_url %}

    {% jobs_flow_script "run" %}
    {% jobs_flow_run instance %}

Nothing is inline, so all of it works under a content security policy without nonces.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django import template
from django.templatetags.static import static
from django.urls import NoReverseMatch, get_script_prefix, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs_flow_django import pages
from jobs_flow_django.conf import get_settings
from jobs_flow_django.models import WorkflowInstance
from jobs_flow_django.tickets import make_ticket

register = template.Library()

#: What a page may want to show -> the script that has it.
SCRIPTS = {"progress": "jobs_flow/jobs-flow.js", "run": "jobs_flow/jobs-flow-run.js"}
#: What ``commands`` may name.
COMMANDS = (*pages.COMMANDS, "all", "none")

#: How an element gets its news: over a socket, or over HTTP and server-sent events.
TRANSPORTS = ("", "http")


@register.simple_tag
def jobs_flow_script(element: str = "progress") -> SafeString:
    """The script that defines ``<jobs-flow-progress>`` and ``JobsFlow``; of "run", ``<jobs-flow-run>`` as well.

    Raises ``TemplateSyntaxError`` for another name.
    """
    if element not in SCRIPTS:
        raise template.TemplateSyntaxError(f"jobs_flow_script has {' and '.join(SCRIPTS)}, not {element!r}")
    return format_html('<script src="{}" defer></script>', static(SCRIPTS[element]))


@register.inclusion_tag("jobs_flow/progress.html", takes_context=True)
def jobs_flow_progress(
    context: Any,
    instance: Any,
    *,
    src: str = "",
    label: str = "",
    folded: bool = False,
    theme: str = "",
    ticket: Any = None,
    payload: bool = False,
    fallback: bool = False,
    transport: str = "",
) -> dict[str, Any]:
    """The progress of ``instance``, a ``WorkflowInstance`` or an id.

    ``src``: URL of the HTML that takes its place once the instance is done. ``label``: the heading, instead of
    the instance's name. ``folded``: only the bar, the tasks on demand. ``theme``: ``light`` or ``dark``,
    instead of what the reader's system prefers. ``ticket``: lets whoever gets this page watch, signed in or not:
    ``True`` makes one for ten minutes, a number of seconds or a ``timedelta`` for so long, a string is one;
    ``payload``: one that is made shows results and logs, too. ``fallback``: the state as of now, as a list for
    readers without the script, if the request's user may see it; reads the storage. ``transport``: ``http`` where
    sockets do not get through; the project includes ``jobs_flow_django.urls`` then.

    Raises ``TemplateSyntaxError`` without an instance, as where the variable is not there: write
    ``{% if instance %}`` around it where that may be.
    """
    instance = _instance("jobs_flow_progress", instance)
    given = _element("jobs_flow_progress", context, instance, label, theme, ticket, payload, fallback, transport)
    return {**given, "src": src, "folded": folded}


@register.inclusion_tag("jobs_flow/run.html", takes_context=True)
def jobs_flow_run(
    context: Any,
    instance: Any,
    *,
    commands: str | None = None,
    view: str = "",
    label: str = "",
    theme: str = "",
    ticket: Any = None,
    payload: bool = False,
    fallback: bool = False,
    transport: str = "",
) -> dict[str, Any]:
    """All of the run of ``instance``: tasks, results, logs, attempts, timeline, and commands.

    ``commands``: which are offered, such as ``"run resume"``, or ``"none"``; left out, those that the request's
    user may give now. That only saves readers from buttons that are refused: the server decides anew. ``view``:
    ``timeline`` to begin with that. The others as of ``jobs_flow_progress``.

    Raises ``TemplateSyntaxError`` for a command that there is not, and without an instance.
    """
    instance = _instance("jobs_flow_run", instance)
    given = _element("jobs_flow_run", context, instance, label, theme, ticket, payload, fallback, transport)
    if commands is None:
        commands = pages.commands_of(_user(context), pages.find(instance))
    elif unknown := [name for name in commands.split() if name not in COMMANDS]:
        # The element would ignore it.
        raise template.TemplateSyntaxError(f"jobs_flow_run: commands has {', '.join(COMMANDS)}, not {unknown[0]!r}")
    return {**given, "commands": commands, "view": view}


def _instance(tag: str, given: Any) -> Any:
    """What the tag was given: a row or an id; as a text also where a URL's converter has made a ``UUID`` of it."""
    if not given:
        raise template.TemplateSyntaxError(f"{tag} needs an instance or an id; it was given nothing")
    if isinstance(given, UUID):
        return str(given)
    if isinstance(given, str | WorkflowInstance):
        return given
    raise template.TemplateSyntaxError(f"{tag} needs an instance or an id, not {type(given).__name__}")


def _element(
    tag: str,
    context: Any,
    instance: Any,
    label: str,
    theme: str,
    ticket: Any,
    payload: bool,
    fallback: bool,
    transport: str,
) -> dict[str, Any]:
    if transport not in TRANSPORTS:
        raise template.TemplateSyntaxError(f"{tag}: transport is left out or 'http', not {transport!r}")
    return {
        "id": instance if isinstance(instance, str) else instance.pk,
        "url": _http_url(tag) if transport else get_script_prefix() + get_settings().WEBSOCKET_PATH,
        "transport": transport,
        "label": label,
        "theme": theme,
        "ticket": _ticket(instance, ticket, payload),
        "now": pages.now_of(_user(context), pages.find(instance)) if fallback else None,
    }


def _http_url(tag: str) -> str:
    """Where the project has put the HTTP door."""
    try:
        return reverse("jobs_flow:requests").removesuffix("requests/")
    except NoReverseMatch:
        needed = 'path("jobs-flow/", include("jobs_flow_django.urls"))'
        raise template.TemplateSyntaxError(f"{tag}: transport='http' needs {needed} in the project's urls") from None


def _ticket(instance: Any, wanted: Any, payload: bool) -> str:
    """A ticket that was given, or made; "" for none."""
    if not wanted:
        return ""
    if isinstance(wanted, str):
        return wanted
    if wanted is True:
        return make_ticket(instance, payload=payload)
    if isinstance(wanted, int | float | timedelta):
        return make_ticket(instance, max_age=wanted, payload=payload)
    raise template.TemplateSyntaxError(f"ticket is True, seconds or a ticket, not {type(wanted).__name__}")


def _user(context: Any) -> Any:
    """Whoever asked for the page; None where nobody is known to have."""
    request = context.get("request")
    return getattr(request, "user", None)
