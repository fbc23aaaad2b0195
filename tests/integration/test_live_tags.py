"""The template tags: what they put into a page."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Permission
from django.contrib.staticfiles import finders
from django.template import Context, Template, TemplateSyntaxError
from django.urls import set_script_prefix

from jobs_flow_django import jobs
from jobs_flow_django.models import WorkflowInstance
from jobs_flow_django.tickets import read_ticket
from tests.support import flows
from tests.support.flows import HOSTILE, HOSTILE_NAME


def render(source: str, **context: Any) -> str:
    return Template("{% load jobs_flow %}" + source).render(Context(context)).strip()


def render_for(user: Any, source: str, **context: Any) -> str:
    """As a view of a user renders it."""
    return render(source, request=SimpleNamespace(user=user), **context)


def attribute(html: str, name: str) -> str | None:
    found = re.search(rf' {name}="([^"]*)"', html)
    return found.group(1) if found else None


@pytest.fixture
def in_process(settings: Any) -> None:
    """Workflows run in this process, at once."""
    settings.JOBS_FLOW = {"STORAGE": "memory://", "BACKEND": "sync"}


@pytest.fixture
def owner(db: None) -> Any:
    return get_user_model().objects.create_user("ada")


@pytest.fixture
def permitted(db: None) -> Callable[..., Any]:
    """A function that makes a user with permissions."""

    def make(*names: str) -> Any:
        user = get_user_model().objects.create_user("-".join(names) or "nobody")
        codenames = [f"{name}_workflowinstance" for name in names]
        user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))
        return user

    return make


class TestScript:
    def test_is_deferred_and_not_inline(self) -> None:
        assert render("{% jobs_flow_script %}") == '<script src="/static/jobs_flow/jobs-flow.js" defer></script>'

    def test_of_a_run_is_one_script_too(self) -> None:
        html = render('{% jobs_flow_script "run" %}')

        assert html == '<script src="/static/jobs_flow/jobs-flow-run.js" defer></script>'

    def test_of_something_else_is_an_error(self) -> None:
        with pytest.raises(TemplateSyntaxError, match="progress and run, not 'runs'"):
            render('{% jobs_flow_script "runs" %}')

    @pytest.mark.parametrize("name", ["jobs-flow.js", "jobs-flow.mjs", "jobs-flow-run.js"])
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

    @pytest.mark.django_db
    @pytest.mark.parametrize("tag", ["jobs_flow_progress", "jobs_flow_run"])
    def test_takes_the_uuid_that_a_url_converter_makes(self, tag: str) -> None:
        html = render("{% " + tag + " given %}", given=UUID("01a20544-738e-7fbf-bc02-840233d074f8"))

        assert attribute(html, "instance") == "01a20544-738e-7fbf-bc02-840233d074f8"

    @pytest.mark.parametrize(
        ("source", "said"),
        [
            ('jobs_flow_run "i1" commands="run,resume"', "commands has run, resume, .*all, none, not 'run,resume'"),
            ('jobs_flow_run "i1" commands="run runn"', "commands has .*, not 'runn'"),
            ("jobs_flow_progress 5", "jobs_flow_progress needs an instance or an id, not int"),
        ],
    )
    def test_a_command_or_an_instance_that_is_none_is_an_error(self, source: str, said: str) -> None:
        with pytest.raises(TemplateSyntaxError, match=said):
            render("{% " + source + " %}")

    @pytest.mark.parametrize("tag", ["jobs_flow_progress", "jobs_flow_run"])
    def test_without_an_instance_is_an_error(self, tag: str) -> None:
        with pytest.raises(TemplateSyntaxError, match=f"{tag} needs an instance"):
            render("{% " + tag + " instance %}", instance=None)


class TestTicket:
    def test_is_made_for_a_short_while(self) -> None:
        ticket = attribute(render('{% jobs_flow_progress "i1" ticket=True %}'), "ticket")

        assert ticket
        assert read_ticket(ticket, "i1").payload is False

    @pytest.mark.parametrize("given", [3600, timedelta(hours=1)])
    def test_is_made_for_so_long(self, given: Any) -> None:
        html = render('{% jobs_flow_progress "i1" ticket=given payload=True %}', given=given)
        longer = read_ticket(attribute(html, "ticket") or "", "i1")
        short = read_ticket(
            attribute(render('{% jobs_flow_run "i1" ticket=True commands="none" %}'), "ticket") or "", "i1"
        )

        assert longer.payload is True
        assert 2_900 < longer.expires_at - short.expires_at < 3_100

    def test_may_be_given(self) -> None:
        assert attribute(render('{% jobs_flow_progress "i1" ticket="a ticket" %}'), "ticket") == "a ticket"

    @pytest.mark.parametrize("given", ["", None, False])
    def test_is_not_there_unasked(self, given: Any) -> None:
        assert attribute(render('{% jobs_flow_progress "i1" ticket=given %}', given=given), "ticket") is None

    def test_of_another_kind_is_an_error(self) -> None:
        with pytest.raises(TemplateSyntaxError, match="not list"):
            render('{% jobs_flow_progress "i1" ticket=given %}', given=[1])


@pytest.mark.usefixtures("in_process")
class TestRun:
    def test_offers_what_the_user_may_do(self, owner: Any, permitted: Callable[..., Any]) -> None:
        instance = WorkflowInstance.objects.create(id="i1", workflow="flow_tree", fingerprint="f", owner=owner)
        offered = {
            user.username: attribute(render_for(user, "{% jobs_flow_run instance %}", instance=instance), "commands")
            for user in (owner, permitted("view"), permitted("view", "delete"), permitted("view", "change"))
        }

        assert offered == {
            "ada": "run resume pause cancel reset task",
            "view": "none",
            "view-delete": "destroy",
            "view-change": "update",
        }

    def test_of_an_id_finds_the_instance(self, owner: Any) -> None:
        WorkflowInstance.objects.create(id="i1", workflow="flow_tree", fingerprint="f", owner=owner)

        assert (
            attribute(render_for(owner, '{% jobs_flow_run "i1" %}'), "commands") == "run resume pause cancel reset task"
        )
        assert attribute(render_for(owner, '{% jobs_flow_run "i2" %}'), "commands") == "none"

    def test_offers_nothing_to_nobody(self, owner: Any) -> None:
        instance = WorkflowInstance.objects.create(id="i1", workflow="flow_tree", fingerprint="f", owner=owner)

        assert attribute(render("{% jobs_flow_run instance %}", instance=instance), "commands") == "none"
        html = render_for(AnonymousUser(), "{% jobs_flow_run instance %}", instance=instance)
        assert attribute(html, "commands") == "none"

    def test_has_the_options_it_is_given(self) -> None:
        source = '{% jobs_flow_run "i1" commands="run resume" view="timeline" label=label theme="dark" %}'
        html = render(source, label="A & B")

        assert html.startswith(
            '<jobs-flow-run instance="i1" url="/ws/jobs-flow/" commands="run resume" view="timeline" '
            'label="A &amp; B" theme="dark"><noscript>'
        )

    def test_escapes_what_it_is_given(self) -> None:
        source = "{% jobs_flow_run id commands='all' view=id label=id theme=id ticket=id %}"

        assert "<script>" not in render(source, id='"><script>alert(1)</script>')


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("in_process")
class TestFallback:
    """The state as of now, for readers without the script."""

    FALLBACK = "{% jobs_flow_progress id fallback=True %}"

    @pytest.fixture(autouse=True)
    def workflows(self) -> None:
        for name, generator in (("flow_tree", flows.tree), ("flow_hostile", flows.hostile), ("flow_wide", flows.wide)):
            jobs.register_workflow(name, generator)

    def create(self, workflow: str, data: Any, owner: Any, **options: Any) -> str:
        return jobs.create_workflow_instance(workflow, data, owner=owner, execute=True, **options)

    @pytest.mark.parametrize("tag", ["jobs_flow_progress", "jobs_flow_run"])
    def test_lists_the_tasks(self, owner: Any, tag: str) -> None:
        instance = self.create("flow_tree", None, owner, name="Spring")
        html = render_for(owner, "{% " + tag + " id fallback=True %}", id=instance)

        assert '<p><strong><bdi dir="auto">Spring</bdi></strong>: done, 5 of 5 tasks</p>' in html
        assert '<li><bdi dir="auto">split</bdi>: Done<ul><li><bdi dir="auto">january</bdi>: Done</li>' in html
        assert html.count("<li>") == 5

    def test_says_what_failed_to_those_who_may_know(self, owner: Any, permitted: Callable[..., Any]) -> None:
        instance = self.create("flow_tree", {"fail": True}, owner)
        seen = render_for(owner, self.FALLBACK, id=instance)
        masked = render_for(permitted("view"), self.FALLBACK, id=instance)

        assert "a secret number is not a number" in seen
        assert '<bdi dir="auto">february</bdi>: Failed' in masked
        assert "secret" not in masked
        assert "ValueError" in masked or "EXECUTION_FAILED" in masked

    def test_is_not_for_those_who_may_not_see_it(self, owner: Any, permitted: Callable[..., Any]) -> None:
        instance = self.create("flow_tree", None, owner, name="Spring")
        pages = [
            render(self.FALLBACK, id=instance),
            render_for(AnonymousUser(), self.FALLBACK, id=instance),
            render_for(permitted(), self.FALLBACK, id=instance),
            render_for(owner, self.FALLBACK, id="another"),
        ]

        assert all("Spring" not in page and "<li>" not in page for page in pages)
        assert all("<noscript>Live progress needs JavaScript.</noscript>" in page for page in pages)

    def test_is_only_there_when_it_is_asked_for(self, owner: Any) -> None:
        instance = self.create("flow_tree", None, owner, name="Spring")

        assert "Spring" not in render_for(owner, "{% jobs_flow_progress id %}", id=instance)

    def test_of_an_instance_whose_records_are_gone_is_left_out(self, owner: Any) -> None:
        WorkflowInstance.objects.create(id="i1", workflow="flow_tree", fingerprint="f", owner=owner)

        assert "<li>" not in render_for(owner, self.FALLBACK, id="i1")

    def test_is_text_whatever_the_names_are(self, owner: Any) -> None:
        instance = self.create("flow_hostile", "x", owner, name=HOSTILE)
        html = render_for(owner, self.FALLBACK, id=instance)

        assert HOSTILE_NAME not in html
        assert HOSTILE not in html
        assert "&lt;script&gt;alert" in html
        assert "<img" not in html

    def test_of_many_tasks_is_no_endless_page(self, owner: Any) -> None:
        instance = self.create("flow_wide", {"width": 300}, owner)
        html = render_for(owner, self.FALLBACK, id=instance)

        assert html.count("<li>") == 200
        assert "<p>and 101 more</p>" in html


class TestTransport:
    def test_over_http_leads_to_where_the_project_put_it(self) -> None:
        html = render(
            "{% jobs_flow_progress 'x' transport='http' %}{% jobs_flow_run 'x' transport='http' commands='none' %}"
        )
        assert re.findall(r'url="([^"]*)" transport="http"', html) == ["/jobs-flow/"] * 2
        assert attribute(render("{% jobs_flow_progress 'x' %}"), "transport") is None

    @pytest.mark.urls("testproject.behaviours.urls")
    def test_that_the_project_lacks_is_an_error_that_says_what_to_add(self) -> None:
        with pytest.raises(TemplateSyntaxError, match=r"include\(.jobs_flow_django.urls.\)"):
            render("{% jobs_flow_progress 'x' transport='http' %}")

    def test_of_another_name_is_an_error(self) -> None:
        with pytest.raises(TemplateSyntaxError, match="'sse'"):
            render("{% jobs_flow_progress 'x' transport='sse' %}")
