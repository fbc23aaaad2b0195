"""The admin's page of one instance: what it shows, to whom, and what it starts."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import quote

import pytest
from celery import Celery
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from jobs_flow.storages.records import Flow, Outcome, RunSelection
from jobs_flow_django import facade, jobs
from jobs_flow_django.models import WorkflowInstance
from tests.conftest import Database
from tests.support.flows import HOSTILE, HOSTILE_NAME

LIST = "/admin/jobs_flow_django/workflowinstance/"
NOWHERE = {"STORAGE": "redis://127.0.0.1:1/0", "BACKEND": "sync"}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def sync_jobs(settings: Any, storage_url: str, database: Database) -> None:
    settings.JOBS_FLOW = {"STORAGE": storage_url, "BACKEND": "sync"}


def login(django_user_model: Any, *codenames: str, **fields: Any) -> Client:
    user = django_user_model.objects.create_user("reader", **{"is_staff": True, **fields})
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def admin(django_user_model: Any) -> Client:
    return login(django_user_model, is_superuser=True)


def url(instance_id: str, **query: str) -> str:
    parameters = "&".join(f"{name}={quote(value)}" for name, value in query.items())
    return f"{LIST}{instance_id}/change/?{parameters}"


def page(client: Client, instance_id: str, **query: str) -> str:
    response = client.get(url(instance_id, **query))
    assert response.status_code == 200
    return response.content.decode()


def words(html: str) -> str:
    """What a reader sees, in one line."""
    return " ".join(unescape(re.sub("<[^>]+>", " ", html)).split())


def tasks(html: str) -> list[tuple[str, str]]:
    """Names and statuses of the lines of the task table."""
    rows = re.findall(r'<th scope="row" class="jf-name.*?<bdi>(.*?)</bdi>.*?jf-badge jf-(\w+)', html, re.DOTALL)
    return [(unescape(name), status) for name, status in rows]


class TestPage:
    def test_shows_a_finished_run(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", {"year": 2026}, name="Rain", realm="r1", execute=True)
        html = page(admin, instance_id)
        assert tasks(html) == [
            ("load", "ok"),
            ("split", "ok"),
            ("january", "ok"),
            ("february", "ok"),
            ("report", "ok"),
        ]
        text = words(html)
        for shown in (
            "Rain",
            "done",
            "100 %",
            "5 ok",
            "flow_tree",
            "r1",
            instance_id,
            "Reads the readings",
            '"year": 2026',
        ):
            assert shown in text, shown
        assert len(re.findall(r'<rect class="jf-bar-ok" x="[\d.]+%" width="[\d.]+%"', html)) == 5

    def test_shows_one_task_in_full(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
        text = words(page(admin, instance_id, task="#.split.february"))
        for shown in (
            "#.split.february",
            "Result 7",
            "counting drops",
            '"readings": { "secret": "hidden-result" }',
            "Worker",
        ):
            assert shown in text, shown

    def test_shows_why_a_run_failed(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", {"fail": True}, execute=True)
        html = page(admin, instance_id, task="#.split.february")
        assert ("february", "failed") in tasks(html)
        assert ("report", "inactive") in tasks(html)
        text = words(html)
        assert text.count("a secret number is not a number") >= 3
        assert "Traceback (most recent call last)" in text
        assert "raise ValueError" in text

    def test_one_that_never_ran_has_no_timeline(self, admin: Client) -> None:
        html = page(admin, jobs.create_workflow_instance("flow_tree"))
        assert {status for _, status in tasks(html)} == {"inactive"}
        assert "jf-axis" not in html
        assert "jf-bar" not in html

    def test_one_at_work(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        storage = jobs.storage
        run = storage.start_run(instance_id, RunSelection(["#.load", "#.split"], ["#.load"], {})).run
        storage.claim(instance_id, "#.load", run, token="t", worker="w", revision=1, inputs=[], lease=60_000)
        storage.set_progress(instance_id, "#.load", run, token="t", value=0.4, text="row 4 of 10")
        html = page(admin, instance_id)
        assert tasks(html)[0] == ("load", "running")
        assert "40 % · row 4 of 10" in html
        assert len(re.findall(r"<button[^>]* disabled", html)) == 1
        assert f'<jobs-flow-progress instance="{instance_id}"' in html
        assert WorkflowInstance.objects.get().status == "inactive"

    def test_a_task_of_an_earlier_run_says_so_and_is_not_on_the_axis(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
        jobs.execute_one_task(instance_id, "#.report")
        html = page(admin, instance_id, task="#.load")
        assert "1, not the latest" in html
        assert len(re.findall(r'<rect class="jf-bar-ok"', html)) == 1

    def test_a_task_that_is_not_there(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        assert "This instance has no such task." in page(admin, instance_id, task="#.nothing")
        assert "This instance has no such task." in page(admin, instance_id, task="<script>")

    def test_an_instance_that_is_not_there(self, admin: Client) -> None:
        response = admin.get(url("00000000-0000-7000-8000-000000000000"), follow=True)
        assert "doesn’t exist" in response.content.decode()

    def test_large_results_and_long_logs_are_cut(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        storage = jobs.storage
        run = storage.start_run(instance_id, RunSelection(["#.load"], ["#.load"], {})).run
        storage.claim(instance_id, "#.load", run, token="t", worker="w", revision=1, inputs=[], lease=60_000)
        outcome = Outcome("ok", body=f'"{"x" * 300_000}"', source="#.load", logs=[f"line {n}" for n in range(800)])
        storage.complete(instance_id, "#.load", run, token="t", outcome=outcome, flow=Flow())
        html = page(admin, instance_id, task="#.load")
        assert "more characters" in html
        assert "300 earlier lines are not shown" in html
        assert "line 799" in html
        assert len(html) < 200_000

    def test_reading_is_all_that_the_address_does(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        assert admin.post(url(instance_id), {"status": "done"}).status_code == 405
        assert WorkflowInstance.objects.get().status == "inactive"

    @pytest.mark.parametrize("width", [3, 300])
    def test_the_number_of_queries_does_not_grow(self, admin: Client, database: Database, width: int) -> None:
        instance_id = jobs.create_workflow_instance("flow_wide", {"width": width}, execute=True)
        with CaptureQueriesContext(connections[database.alias]) as queries:
            page(admin, instance_id, task="#.scan")
        assert len(queries) <= 4, [query["sql"] for query in queries]


class TestWideBlocks:
    def test_are_folded_but_for_what_failed(self, admin: Client) -> None:
        data = {"width": 200, "failing": [120, 170]}
        instance_id = jobs.create_workflow_instance("flow_wide", data, execute=True)
        html = page(admin, instance_id, task="#.scan.item-0150")
        names = [name for name, _ in tasks(html)]
        assert names == ["scan", *(f"item-{n:04}" for n in (*range(50), 120, 150, 170))]
        assert "147 more tasks: 147 ok" in words(html)
        link = unescape(re.search(r'<tr class="jf-fold">.*?href="([^"]*)"', html, re.DOTALL)[1])  # type: ignore[index]
        expanded = admin.get(f"{LIST}{instance_id}/change/{link}").content.decode()
        assert len(tasks(expanded)) == 201
        assert "more tasks" not in expanded


class TestStorageTrouble:
    def test_records_that_are_gone(self, admin: Client, settings: Any) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", {"year": 2026}, name="Rain", execute=True)
        settings.JOBS_FLOW = {"STORAGE": "memory://", "BACKEND": "sync"}
        text = words(page(admin, instance_id, task="#.load"))
        assert "The storage memory:// has no records of this instance." in text
        assert "Rain done" in text
        assert '"year": 2026' in text

    def test_a_storage_that_is_away(self, admin: Client, settings: Any) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", name="Rain", execute=True)
        settings.JOBS_FLOW = NOWHERE
        html = page(admin, instance_id)
        assert "cannot be reached" in html
        assert "Rain done" in words(html)
        response = admin.post(f"{LIST}{instance_id}/run/", follow=True)
        assert "cannot be reached" in response.content.decode()


class TestHostileData:
    @pytest.fixture
    def instance_id(self) -> str:
        return jobs.create_workflow_instance(
            "flow_hostile", {"x": HOSTILE}, name=HOSTILE, realm=HOSTILE, base_context={HOSTILE: 1}, execute=True
        )

    @pytest.mark.parametrize("task", ["", f"#.{HOSTILE_NAME}", "#.after", HOSTILE])
    def test_is_text_everywhere(self, admin: Client, instance_id: str, task: str) -> None:
        html = page(admin, instance_id, task=task)
        assert tasks(html) == [(HOSTILE_NAME, "ok"), ("after", "failed")]
        for danger in ("<img src=x", "<script>alert", "</pre><img"):
            assert danger not in html
        assert not re.search(r"<style|\sstyle=|\son\w+=[^&]|<script(?![^>]*\ssrc=)", re.sub(r">[^<]*<", "><", html))

    def test_half_a_character_breaks_no_page(self, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
        record = {**jobs.get_task(instance_id, "#.load"), "body": "\ud800", "worker": "\udfff"}
        monkeypatch.setattr(facade.DjangoJobs, "get_task", lambda *_, **__: record)
        assert "Result" in page(admin, instance_id, task="#.load")


SECRETS = ("hidden-result", "counting drops", "a secret number", "Traceback", "hidden-data", "hidden-context")


class TestAccess:
    @pytest.fixture
    def instance_id(self) -> str:
        data = {"fail": True, "d": "hidden-data"}
        return jobs.create_workflow_instance("flow_tree", data, base_context={"c": "hidden-context"}, execute=True)

    def test_nothing_without_a_permission(self, django_user_model: Any, instance_id: str) -> None:
        client = login(django_user_model, "view_payload_workflowinstance", "execute_workflowinstance")
        assert client.get(url(instance_id)).status_code == 403
        assert client.post(f"{LIST}{instance_id}/run/").status_code == 403
        assert client.get(f"{LIST}{instance_id}/history/").status_code == 403

    def test_viewing_shows_no_payload_and_no_buttons(self, django_user_model: Any, instance_id: str) -> None:
        client = login(django_user_model, "view_workflowinstance")
        html = "".join(page(client, instance_id, task=task) for task in ("", "#.load", "#.split.february", "#.report"))
        assert [secret for secret in SECRETS if secret in html] == []
        assert ("february", "failed") in tasks(html)
        assert jobs.get_workflow(instance_id)["error"]["code"] in html
        assert "You may not see results" in html
        assert "Run all" not in html
        assert client.post(f"{LIST}{instance_id}/run/").status_code == 403
        assert WorkflowInstance.objects.get().run == 1

    def test_payload_with_its_permission(self, django_user_model: Any, instance_id: str) -> None:
        client = login(django_user_model, "view_workflowinstance", "view_payload_workflowinstance")
        html = "".join(page(client, instance_id, task=task) for task in ("#.load", "#.split.february"))
        assert [secret for secret in SECRETS if secret not in html] == []
        assert "Run all" not in html

    def test_running_with_its_permission(self, django_user_model: Any, instance_id: str) -> None:
        client = login(django_user_model, "view_workflowinstance", "execute_workflowinstance")
        assert "Run all" in page(client, instance_id)
        assert client.post(f"{LIST}{instance_id}/run/").status_code == 302
        assert WorkflowInstance.objects.get().run == 2

    def test_the_owner_sees_and_runs_theirs_and_no_other(self, django_user_model: Any, instance_id: str) -> None:
        client = login(django_user_model)
        own = jobs.create_workflow_instance("flow_tree", owner=django_user_model.objects.get(username="reader"))
        assert "Run all" in page(client, own)
        assert client.post(f"{LIST}{own}/run/").status_code == 302
        assert jobs.get_workflow(own)["status"] == "done"
        assert client.get(url(instance_id)).status_code == 403
        assert client.get(LIST).status_code == 403

    def test_owners_who_are_no_staff_stay_outside(self, django_user_model: Any) -> None:
        client = login(django_user_model, is_staff=False)
        own = jobs.create_workflow_instance("flow_tree", owner=django_user_model.objects.get(username="reader"))
        assert client.get(url(own)).status_code == 302
        client.post(f"{LIST}{own}/run/")
        assert jobs.get_workflow(own)["run"] == 0


class TestStarting:
    def test_all(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        response = admin.post(f"{LIST}{instance_id}/run/", follow=True)
        assert "Run 1 started: all tasks." in response.content.decode()
        assert jobs.get_workflow(instance_id)["status"] == "done"
        entry = LogEntry.objects.get()
        assert (entry.object_id, entry.get_change_message()) == (instance_id, "Run 1 started: all tasks.")
        assert "Run 1 started" in admin.get(f"{LIST}{instance_id}/history/").content.decode()

    def test_one_task(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        response = admin.post(f"{LIST}{instance_id}/run/", {"path": "#.load"}, follow=True)
        html = response.content.decode()
        assert "Run 1 started: task #.load." in html
        assert tasks(html)[:2] == [("load", "ok"), ("split", "inactive")]
        assert response.redirect_chain[-1][0].endswith("?task=%23.load")

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            pytest.param("#.report", "Task #.report", id="not its turn"),
            pytest.param("#.nothing", "has no task", id="unknown"),
            pytest.param("no path", "is not a task path", id="malformed"),
        ],
    )
    def test_what_cannot_start_says_why(self, admin: Client, path: str, message: str) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        response = admin.post(f"{LIST}{instance_id}/run/", {"path": path}, follow=True)
        assert message in response.content.decode()
        assert jobs.get_workflow(instance_id)["run"] == 0
        assert not LogEntry.objects.exists()

    def test_one_that_is_at_work_already(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        jobs.storage.start_run(instance_id, RunSelection(["#.load"], ["#.load"], {}))
        response = admin.post(f"{LIST}{instance_id}/run/", follow=True)
        assert 'class="error"' in response.content.decode()
        assert jobs.get_workflow(instance_id)["run"] == 1

    def test_without_a_broker_nothing_starts_and_the_page_says_so(
        self, admin: Client, settings: Any, storage_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("CELERY_BROKER_URL")
        nowhere = Celery("nowhere", broker="redis://127.0.0.1:1/0", set_as_current=False, fixups=[])
        nowhere.conf.task_publish_retry = False
        monkeypatch.setattr(facade, "find_celery_app", lambda: nowhere)
        settings.JOBS_FLOW = {"STORAGE": storage_url}
        instance_id = jobs.create_workflow_instance("flow_tree")
        html = admin.post(f"{LIST}{instance_id}/run/", follow=True).content.decode()
        assert "The Celery broker cannot be reached, so nothing was started" in words(html)
        assert "BROKER_UNAVAILABLE" in html
        row = WorkflowInstance.objects.get()
        assert (row.status, row.error["code"]) == ("inactive", "BROKER_UNAVAILABLE")

    def test_only_by_post_and_with_a_token(self, django_user_model: Any) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        user = django_user_model.objects.create_superuser("admin")
        client = Client(enforce_csrf_checks=True)
        client.force_login(user)
        assert client.get(f"{LIST}{instance_id}/run/").status_code == 405
        assert client.post(f"{LIST}{instance_id}/run/").status_code == 403
        assert jobs.get_workflow(instance_id)["run"] == 0
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page(client, instance_id))
        assert token is not None
        client.post(f"{LIST}{instance_id}/run/", {"csrfmiddlewaretoken": token[1]})
        assert jobs.get_workflow(instance_id)["run"] == 1

    def test_inside_a_transaction_around_the_request(
        self, admin: Client, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        monkeypatch.setitem(connections[database.alias].settings_dict, "ATOMIC_REQUESTS", True)
        response = admin.post(f"{LIST}{instance_id}/run/", follow=True)
        assert "A run starts: all tasks." in response.content.decode()
        assert jobs.get_workflow(instance_id)["status"] == "done"
