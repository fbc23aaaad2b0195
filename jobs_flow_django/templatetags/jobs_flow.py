"""``{% load jobs_flow %}``: the live progress of an instance in any page, in two tags.

The script goes into the page once, the element wherever a view is replaced by its progress::

    {% jobs_flow_script %}
    {% jobs_flow_progress instance src=result_url %}

Nothing is inline, so both work under a content security policy without nonces.
"""

from __future__ import annotations

from typing import Any

from django import template
from django.templatetags.static import static
from django.urls import get_script_prefix
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs_flow_django.conf import get_settings

register = template.Library()


@register.simple_tag
def jobs_flow_script() -> SafeString:
    """The script that defines ``<jobs-flow-progress>`` and ``JobsFlow``."""
    return format_html('<script src="{}" defer></script>', static("jobs_flow/jobs-flow.js"))


@register.inclusion_tag("jobs_flow/progress.html")
def jobs_flow_progress(
    instance: Any, *, src: str = "", label: str = "", folded: bool = False, theme: str = ""
) -> dict[str, Any]:
    """The progress of ``instance``, a ``WorkflowInstance`` or an id.

    ``src``: URL of the HTML that takes its place once the instance is done. ``label``: the heading, instead of
    the instance's name. ``folded``: only the bar, the tasks on demand. ``theme``: ``light`` or ``dark``,
    instead of what the reader's system prefers. Raises ``TemplateSyntaxError`` without an instance, as where
    the variable is not there: write ``{% if instance %}`` around it where that may be.
    """
    if not instance:
        raise template.TemplateSyntaxError("jobs_flow_progress needs an instance or an id; it was given nothing")
    return {
        "id": instance if isinstance(instance, str) else instance.pk,
        "url": get_script_prefix() + get_settings().WEBSOCKET_PATH,
        "src": src,
        "label": label,
        "folded": folded,
        "theme": theme,
    }
