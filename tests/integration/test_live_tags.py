"""The template tags: what they put into a page."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.template import Context, Template
from django.urls import set_script_prefix

from jobs_flow_django.models import WorkflowInstance


def render(source: str, **context: Any) -> str:
    return Template("{% load jobs_flow %}" + source).render(Context(context)).strip()


class TestScript:
    def test_is_deferred_and_not_inline(self) -> None:
        assert render("{% jobs_flow_script %}") == '<script src="/static/jobs_flow/jobs-flow.js" defer></script>'

    @pytest.mark.parametrize("name", ["jobs-flow.js", "jobs-flow.mjs"])
    def test_is_found_by_staticfiles(self, name: str) -> None:
        assert finders.find(f"jobs_flow/{name}")


class TestProgress:
    def test_of_an_id(self) -> None:
        assert render('{% jobs_flow_progress "i1" %}').startswith(
            '<jobs-flow-progress instance="i1" url="/ws/jobs-flow/"><noscript>'
        )

    def test_of_an_instance_with_all_options(self) -> None:
        html = render(
            '{% jobs_flow_progress instance src=src label="Spring" folded=True theme="dark" %}',
            instance=WorkflowInstance(id="i2"),
            src="/result/?a=1&b=2",
        )

        assert html.startswith(
            '<jobs-flow-progress instance="i2" url="/ws/jobs-flow/" src="/result/?a=1&amp;b=2" '
            'label="Spring" theme="dark" folded>'
        )

    def test_escapes_what_it_is_given(self) -> None:
        assert '"><script>' not in render("{% jobs_flow_progress id label=id %}", id='"><script>alert(1)</script>')

    def test_follows_the_settings(self, settings: Any) -> None:
        settings.JOBS_FLOW = {"STORAGE": "memory://", "BACKEND": "sync", "WEBSOCKET_PATH": "live/"}

        assert 'url="/live/"' in render('{% jobs_flow_progress "i1" %}')

    def test_follows_the_script_prefix(self) -> None:
        set_script_prefix("/app/")
        try:
            assert 'url="/app/ws/jobs-flow/"' in render('{% jobs_flow_progress "i1" %}')
        finally:
            set_script_prefix("/")
