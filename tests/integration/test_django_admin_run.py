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

from jobs_flow import Failure, Task, workflow
from jobs_flow.storages.records import Flow, Outcome, RunSelection
from jobs_flow.workflows.estimates import Estimates, Usual
from jobs_flow.workflows.selection import select_all
from jobs_flow_django import facade, jobs
from jobs_flow_django.admin import timeline
from jobs_flow_django.models import WorkflowInstance
from tests.conftest import Database
from tests.support.flows import HOSTILE, HOSTILE_NAME

LIST = "/admin/jobs_flow_django/workflowinstance/"
NOWHERE = {"STORAGE": "redis://127.0.0.1:1/0", "BACKEND": "sync"}

pytestmark = pytest.mark.django_db(transaction=True)


@workflow("admin_run_refused")
def refused(data: Any) -> list[Task]:
    def check(res: Any) -> None:
        raise Failure({"rows": [3, 8]}, "two rows are wrong")

    return [Task("check", check)]


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


def begin(client: Client, instance_id: str, **fields: str) -> Any:
    """Ask for a run, and confirm what was shown; the page after it."""
    asked = client.get(f"{LIST}{instance_id}/do/run/", fields)
    found = re.search(r'name="seen" value="(\w+)"', asked.content.decode())
    assert found
    data = {"confirm": "yes", "seen": found[1], **fields}
    return client.post(f"{LIST}{instance_id}/do/run/", data, follow=True)


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
        assert "a secret number is not a number" in text
        assert "Result" not in text  # it would be the error's message once more
        assert "Traceback (most recent call last)" in text
        assert "raise ValueError" in text

    def test_shows_what_a_task_says_beside_its_error(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("admin_run_refused", execute=True)
        text = words(page(admin, instance_id, task="#.check"))
        assert "two rows are wrong" in text
        assert 'Result { "rows": [ 3, 8 ] }' in text

    def test_one_that_is_failed_still_says_why(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", {"fail": True}, execute=True)
        jobs.execute_one_task(instance_id, "#.load")
        assert jobs.get_workflow(instance_id)["error"] is None
        assert "EXECUTION_FAILED at #.split.february" in words(page(admin, instance_id))

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
        assert re.findall(r'/do/(\w+)/"', html) == ["cancel", "pause", "destroy"]
        assert f'data-jf-instance="{instance_id}" data-jf-socket="/ws/jobs-flow/"' in html
        assert "data-jf-working" in html
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


def claim(instance_id: str, path: str, token: str = "t") -> None:
    """Take a queued task, as a worker would."""
    run = jobs.get_workflow(instance_id)["run"]
    granted = jobs.storage.claim(instance_id, path, run, token=token, worker="w", revision=1, inputs=[], lease=60_000)
    assert granted.state == "granted", granted


def start(instance_id: str) -> None:
    """Begin a run of all tasks that nobody executes."""
    plan = jobs.registry.plan("flow_tree", None)
    jobs.storage.start_run(instance_id, select_all(plan))


class TestLive:
    """What a page that is open asks for again and again."""

    def test_the_part_is_what_the_page_shows(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", {"fail": True}, execute=True)
        for query in ({}, {"task": "#.split.february"}, {"view": "graph"}):
            part = page(admin, instance_id, part="live", **query).strip()
            assert part.startswith('<div id="content-main"')
            assert "<html" not in part
            moving = re.compile(r'data-jf-now="\d+"')
            assert moving.sub("", part) in moving.sub("", page(admin, instance_id, **query))

    def test_with_the_same_permissions(self, django_user_model: Any) -> None:
        data = {"fail": True, "d": "hidden-data"}
        instance_id = jobs.create_workflow_instance(
            "flow_tree", data, base_context={"c": "hidden-context"}, execute=True
        )
        stranger = login(django_user_model)
        assert stranger.get(url(instance_id, part="live")).status_code == 403
        django_user_model.objects.all().delete()
        viewer = login(django_user_model, "view_workflowinstance")
        parts = "".join(page(viewer, instance_id, part="live", task=task) for task in ("#.load", "#.split.february"))
        assert [secret for secret in SECRETS if secret in parts] == []
        assert "/do/" not in parts

    def test_an_instance_that_is_gone_is_an_answer(self, admin: Client) -> None:
        assert admin.get(url("00000000-0000-7000-8000-000000000000", part="live")).status_code == 404
        assert Client().get(url("00000000-0000-7000-8000-000000000000", part="live")).status_code == 302

    def test_says_up_to_where_it_knows(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
        seq = jobs.snapshot(instance_id).seq
        assert f'data-jf-seq="{seq}"' in page(admin, instance_id, part="live")

    def test_a_log_may_come_where_there_is_none_yet(self, admin: Client, django_user_model: Any) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        start(instance_id)
        assert 'data-jf-log="#.load" data-jf-next="0"' in page(admin, instance_id, task="#.load")
        assert "data-jf-log" not in page(admin, instance_id, task="#.report")
        django_user_model.objects.all().delete()
        viewer = login(django_user_model, "view_workflowinstance")
        assert "data-jf-log" not in page(viewer, instance_id, task="#.load")

    def test_without_channels_there_is_no_socket_to_listen_to(self, admin: Client, settings: Any) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "channels"]
        html = page(admin, instance_id)
        assert 'data-jf-socket=""' in html
        assert "jobs-flow.js" not in html
        assert "admin.js" in html


class TestWhatIsLeft:
    def test_is_told_from_earlier_runs(self, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        start(instance_id)
        claim(instance_id, "#.load")
        assert 'class="jf-left"' not in page(admin, instance_id)
        jobs.create_workflow_instance("flow_tree", execute=True)
        jobs._estimates.clear()
        # They took no time at all, so this one takes longer than usual.
        now = jobs.storage.now
        monkeypatch.setattr(jobs.storage, "now", lambda: now() + 5_000)
        assert words(page(admin, instance_id)).count("longer than usual") == 2

    def test_and_counted_down(self, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        start(instance_id)
        claim(instance_id, "#.load")
        # No time passes until the page is made.
        begun = jobs.storage.get_task(instance_id, "#.load")["executionTime"]
        monkeypatch.setattr(jobs.storage, "now", lambda: begun)
        known = {path: Usual((0,), (20_000,)) for path in jobs.get_all_paths("flow_tree")}
        monkeypatch.setattr(facade.DjangoJobs, "get_estimates", lambda self, workflow: Estimates(1, 80_000, known))
        html = page(admin, instance_id)
        text = words(html)
        assert "about 1 min left" in text
        assert "about 20 s left" in text
        assert len(re.findall(r'data-jf-left="\d+"', html)) == 2
        jobs.pause(instance_id)
        assert "about 1 min left" not in words(page(admin, instance_id))


class TestAttempts:
    def test_of_this_run_are_on_the_timeline(self, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
        start(instance_id)
        error = {"code": "WORKER_LOST", "message": "gone"}
        claim(instance_id, "#.load")
        jobs.storage.lose(instance_id, "#.load", 2, token="t", max_losses=3, error=error)
        claim(instance_id, "#.load", "u")
        jobs.storage.retry(instance_id, "#.load", 2, token="u", outcome=Outcome("failed", error=error), delay=0)
        html = page(admin, instance_id)
        # Not the one of the first run.
        assert re.findall(r'<rect class="jf-bar-(?!queued)(\w+)"', html) == ["lost", "failed"]
        assert re.search(r'aria-label="attempt 1: waited .*, ran .*, lost; attempt 2: .*, failed; attempt 3: ', html)
        assert '<line class="jf-now"' in html
        monkeypatch.setattr(timeline, "ATTEMPTED", 0)
        assert "jf-bar-lost" not in page(admin, instance_id)


class TestPictures:
    def test_the_graph_is_coloured_and_leads_to_the_tasks(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", {"fail": True}, execute=True)
        html = page(admin, instance_id, view="graph")
        assert re.findall(r'class="jf-node jf-(\w+)"', html).count("ok") == 3
        assert "jf-node jf-failed" in html
        link = unescape(re.search(r'<a[^>]* href="(/admin[^"]*february[^"]*)"', html)[1])  # type: ignore[index]
        chosen = admin.get(link).content.decode()
        assert "<h2><bdi>#.split.february</bdi></h2>" in chosen
        assert "jf-graph" in chosen

    @pytest.mark.parametrize(
        ("kind", "start", "content_type"), [("svg", "<svg", "image/svg+xml"), ("mermaid", "flowchart", "text/plain")]
    )
    def test_are_files_too(self, admin: Client, kind: str, start: str, content_type: str) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
        answer = admin.get(f"{LIST}{instance_id}/drawing/{kind}/")
        assert start in answer.content.decode()[:300]
        assert "february" in answer.content.decode()
        assert answer["Content-Type"].startswith(content_type)
        assert answer["Content-Disposition"].startswith("attachment")

    def test_for_who_may_see_the_instance(self, django_user_model: Any) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        client = login(django_user_model)
        assert client.get(f"{LIST}{instance_id}/drawing/svg/").status_code == 403
        django_user_model.objects.all().delete()
        viewer = login(django_user_model, "view_workflowinstance")
        assert viewer.get(f"{LIST}{instance_id}/drawing/svg/").status_code == 200
        assert viewer.get(f"{LIST}{instance_id}/drawing/gif/").status_code == 404
        assert viewer.get(f"{LIST}nobody/drawing/svg/").status_code == 302

    def test_names_in_them_are_text(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_hostile", name=HOSTILE, execute=True)
        html = page(admin, instance_id, view="graph")
        assert "<script>alert" not in html
        assert "<img src=x" not in html
        assert not re.search(r"<style|\sstyle=|\son\w+=[^&]", re.sub(r">[^<]*<", "><", html))
        assert "<script>alert" not in admin.get(f"{LIST}{instance_id}/drawing/svg/").content.decode()


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
        asked = admin.get(f"{LIST}{instance_id}/do/run/").content.decode()
        assert "cannot be reached" in asked
        assert re.search(r'name="confirm" value="yes" disabled', asked)


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
        assert client.post(f"{LIST}{instance_id}/do/run/").status_code == 403
        assert client.get(f"{LIST}{instance_id}/history/").status_code == 403

    def test_viewing_shows_no_payload_and_no_buttons(self, django_user_model: Any, instance_id: str) -> None:
        client = login(django_user_model, "view_workflowinstance")
        html = "".join(page(client, instance_id, task=task) for task in ("", "#.load", "#.split.february", "#.report"))
        assert [secret for secret in SECRETS if secret in html] == []
        assert ("february", "failed") in tasks(html)
        assert jobs.get_workflow(instance_id)["error"]["code"] in html
        assert "You may not see results" in html
        assert "Run all" not in html
        assert client.post(f"{LIST}{instance_id}/do/run/").status_code == 403
        assert WorkflowInstance.objects.get().run == 1

    def test_payload_with_its_permission(self, django_user_model: Any, instance_id: str) -> None:
        client = login(django_user_model, "view_workflowinstance", "view_payload_workflowinstance")
        html = "".join(page(client, instance_id, task=task) for task in ("#.load", "#.split.february"))
        assert [secret for secret in SECRETS if secret not in html] == []
        assert "Run all" not in html

    def test_running_with_its_permission(self, django_user_model: Any, instance_id: str) -> None:
        client = login(django_user_model, "view_workflowinstance", "execute_workflowinstance")
        assert "Run all" in page(client, instance_id)
        assert begin(client, instance_id).status_code == 200
        assert WorkflowInstance.objects.get().run == 2

    def test_the_owner_sees_and_runs_theirs_and_no_other(self, django_user_model: Any, instance_id: str) -> None:
        client = login(django_user_model)
        own = jobs.create_workflow_instance("flow_tree", owner=django_user_model.objects.get(username="reader"))
        assert "Run all" in page(client, own)
        assert begin(client, own).status_code == 200
        assert jobs.get_workflow(own)["status"] == "done"
        assert client.get(url(instance_id)).status_code == 403
        assert client.get(LIST).status_code == 403

    def test_owners_who_are_no_staff_stay_outside(self, django_user_model: Any) -> None:
        client = login(django_user_model, is_staff=False)
        own = jobs.create_workflow_instance("flow_tree", owner=django_user_model.objects.get(username="reader"))
        assert client.get(url(own)).status_code == 302
        client.post(f"{LIST}{own}/do/run/", {"confirm": "yes"})
        assert jobs.get_workflow(own)["run"] == 0


class TestStarting:
    def test_all(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        response = begin(admin, instance_id)
        assert "Run 1 started." in response.content.decode()
        assert jobs.get_workflow(instance_id)["status"] == "done"
        entry = LogEntry.objects.get()
        assert (entry.object_id, entry.get_change_message()) == (instance_id, "Run all: Run 1 started.")
        assert "Run 1 started" in admin.get(f"{LIST}{instance_id}/history/").content.decode()

    def test_one_task(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        response = begin(admin, instance_id, path="#.load")
        html = response.content.decode()
        assert "Run 1 started." in html
        assert LogEntry.objects.get().get_change_message() == "Run, task #.load: Run 1 started."
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
        response = begin(admin, instance_id, path=path)
        assert message in response.content.decode()
        assert jobs.get_workflow(instance_id)["run"] == 0
        assert not LogEntry.objects.exists()

    def test_one_that_is_at_work_already(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        jobs.storage.start_run(instance_id, RunSelection(["#.load"], ["#.load"], {}))
        response = begin(admin, instance_id)
        assert 'class="error"' in response.content.decode()
        assert "A run is going on." in admin.get(f"{LIST}{instance_id}/do/run/").content.decode()
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
        html = begin(admin, instance_id).content.decode()
        assert "The Celery broker cannot be reached, so nothing was started" in words(html)
        assert "BROKER_UNAVAILABLE" in html
        row = WorkflowInstance.objects.get()
        assert (row.status, row.error["code"]) == ("inactive", "BROKER_UNAVAILABLE")
        assert "Run 1, not started" in words(html)

    def test_only_by_post_and_with_a_token(self, django_user_model: Any) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        user = django_user_model.objects.create_superuser("admin")
        client = Client(enforce_csrf_checks=True)
        client.force_login(user)
        assert client.get(f"{LIST}{instance_id}/do/run/", {"confirm": "yes"}).status_code == 200
        assert client.post(f"{LIST}{instance_id}/do/run/", {"confirm": "yes"}).status_code == 403
        assert jobs.get_workflow(instance_id)["run"] == 0
        asked = client.get(f"{LIST}{instance_id}/do/run/").content.decode()
        token, seen = (re.search(rf'name="{name}" value="(\w+)"', asked) for name in ("csrfmiddlewaretoken", "seen"))
        assert token is not None
        assert seen is not None
        data = {"csrfmiddlewaretoken": token[1], "seen": seen[1], "confirm": "yes"}
        client.post(f"{LIST}{instance_id}/do/run/", data)
        assert jobs.get_workflow(instance_id)["run"] == 1

    def test_inside_a_transaction_around_the_request(
        self, admin: Client, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        monkeypatch.setitem(connections[database.alias].settings_dict, "ATOMIC_REQUESTS", True)
        response = begin(admin, instance_id)
        assert "A run starts." in response.content.decode()
        assert jobs.get_workflow(instance_id)["status"] == "done"
