"""Commands in the admin: what they ask before, who may give them, what they do and write into the log."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest
from celery import Celery
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.db import connections
from django.test import Client

from jobs_flow.storages.records import Outcome, RunSelection
from jobs_flow_django import facade, jobs
from jobs_flow_django.models import WorkflowInstance
from tests.conftest import Database
from tests.integration.test_django_admin_run import login, page, words
from tests.support import flows
from tests.support.live import DrivenInstance

LIST = "/admin/jobs_flow_django/workflowinstance/"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def sync_jobs(settings: Any, storage_url: str, database: Database) -> None:
    settings.JOBS_FLOW = {"STORAGE": storage_url, "BACKEND": "sync"}


@pytest.fixture
def admin(django_user_model: Any) -> Client:
    return login(django_user_model, is_superuser=True)


def url(instance_id: str, name: str) -> str:
    return f"{LIST}{instance_id}/do/{name}/"


def seen(html: str) -> str:
    found = re.search(r'name="seen" value="(\w+)"', html)
    assert found
    return found[1]


def give(client: Client, instance_id: str, name: str, **fields: str) -> list[str]:
    """Ask, confirm what was shown; the messages."""
    asked = client.get(url(instance_id, name), fields)
    assert asked.status_code == 200
    fields = {"confirm": "yes", "seen": seen(asked.content.decode()), **fields}
    answer = client.post(url(instance_id, name), fields)
    assert answer.status_code == 302, words(answer.content.decode())
    return [str(message) for message in get_messages(answer.wsgi_request)]


def logged() -> list[str]:
    return [entry.change_message for entry in LogEntry.objects.order_by("id")]


def start(instance_id: str, *heads: str) -> None:
    """Begin a run that nobody executes."""
    jobs.storage.start_run(instance_id, RunSelection(tuple(jobs.get_all_paths("flow_tree")), heads or ("#.load",), {}))
    header = jobs.storage.get_instance(instance_id)
    assert header is not None
    jobs.index.changed(header)


def failed() -> str:
    return jobs.create_workflow_instance("flow_tree", {"fail": True}, name="Broken", execute=True)


class TestResuming:
    def test_shows_exactly_what_will_run_and_runs_it(self, admin: Client) -> None:
        instance_id = failed()
        html = admin.get(url(instance_id, "resume")).content.decode()
        shown = re.findall(r"<li><code>(.*?)</code></li>", html)
        assert shown == jobs.preview(instance_id) == ["#.split.february", "#.report"]
        assert WorkflowInstance.objects.get().run == 1
        assert give(admin, instance_id, "resume") == ["Run 2 started."]
        tasks = jobs.snapshot(instance_id).tasks
        assert [path for path, record in tasks.items() if record["run"] == 2] == shown
        assert logged() == ["Resume, failed: Run 2 started."]

    def test_in_another_mode(self, admin: Client) -> None:
        instance_id = failed()
        asked = admin.post(url(instance_id, "resume"), {"mode": ["failed", "all"]}).content.decode()
        assert len(re.findall("<li><code>", asked)) == 5
        assert re.search(r'value="all" aria-pressed="true"', asked)
        give(admin, instance_id, "resume", mode="all")
        assert {record["run"] for record in jobs.snapshot(instance_id).tasks.values() if record["status"] == "ok"} == {
            2
        }

    def test_from_a_task(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
        html = page(admin, instance_id, task="#.report")
        assert "/do/resume/?path=%23.report" in html
        asked = admin.get(url(instance_id, "resume"), {"path": "#.report"}).content.decode()
        assert re.findall(r"<li><code>(.*?)</code></li>", asked) == ["#.report"]
        assert "aria-pressed" not in asked
        give(admin, instance_id, "resume", path="#.report")
        assert jobs.get_task(instance_id, "#.report")["run"] == 2
        assert logged() == ["Resume, task #.report: Run 2 started."]

    def test_asks_again_when_something_else_would_run(self, admin: Client) -> None:
        instance_id = failed()
        before = seen(admin.get(url(instance_id, "resume")).content.decode())
        jobs.reset(instance_id)
        answer = admin.post(url(instance_id, "resume"), {"confirm": "yes", "seen": before})
        assert answer.status_code == 200
        assert "Something has changed meanwhile" in words(answer.content.decode())
        assert "#.load" in answer.content.decode()
        assert jobs.get_workflow(instance_id)["run"] == 1

    def test_says_why_it_cannot(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
        html = admin.get(url(instance_id, "resume")).content.decode()
        assert "nothing to resume" in words(html)
        assert re.search(r'name="confirm" value="yes" disabled', html)

    def test_a_definition_that_changed_is_a_message(self, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        instance_id = failed()
        monkeypatch.setitem(jobs.registry._generators, "flow_tree", lambda data: [flows.Task("other", lambda res: 1)])
        jobs.runtime.__dict__.get("_plans", {}).clear()
        html = words(admin.get(url(instance_id, "resume")).content.decode())
        assert "no longer gives the tree" in html
        assert "no longer gives the tree" in give(admin, instance_id, "run")[0]


class TestRunning:
    def test_all_again_is_asked_about_when_there_are_results(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        assert "executed again" not in words(admin.get(url(instance_id, "run")).content.decode())
        assert give(admin, instance_id, "run") == ["Run 1 started."]
        text = words(admin.get(url(instance_id, "run")).content.decode())
        assert "5 tasks have results already: they are executed again, with all their effects." in text
        assert give(admin, instance_id, "run") == ["Run 2 started."]
        assert logged() == ["Run all: Run 1 started.", "Run all: Run 2 started."]

    def test_a_confirmation_that_is_sent_twice_starts_one_run(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        fields = {"confirm": "yes", "seen": seen(admin.get(url(instance_id, "run")).content.decode())}
        assert admin.post(url(instance_id, "run"), fields).status_code == 302
        assert admin.post(url(instance_id, "run"), fields).status_code == 200
        assert jobs.get_workflow(instance_id)["run"] == 1

    @pytest.mark.parametrize("text", ["0", "false", "null", '{"a": [1, "é"]}'])
    def test_with_an_argument(self, admin: Client, text: str) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        give(admin, instance_id, "run", argument=text, path="#.load")
        assert jobs.get_task(instance_id, "#.load")["argument"] == json.loads(text)
        assert logged() == ["Run, task #.load, with an argument: Run 1 started."]

    @pytest.mark.parametrize("text", ["{", "NaN", "[" * 100_000])
    def test_an_argument_that_is_not_json_is_said_and_kept(self, admin: Client, text: str) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        asked = admin.post(url(instance_id, "run"), {"argument": text})
        html = asked.content.decode()
        assert 'role="alert"' in html
        assert f'spellcheck="false" aria-describedby="jf-argument-help jf-mistake" aria-invalid="true">{text}<' in html
        answer = admin.post(url(instance_id, "run"), {"argument": text, "confirm": "yes", "seen": seen(html)})
        assert answer.status_code == 200
        assert jobs.get_workflow(instance_id)["run"] == 0

    def test_a_task_that_cannot_run_says_why(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        assert "Task #.report" in give(admin, instance_id, "run", path="#.report")[0]
        assert logged() == []


class TestUpdaters:
    def test_are_edited(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
        assert "/do/updaters/?path=%23.load" in page(admin, instance_id, task="#.load")
        assert "jf-mistake" not in admin.get(url(instance_id, "updaters"), {"path": "#.load"}).content.decode()
        text = '[{"seen": {"$set": 3}}]'
        assert give(admin, instance_id, "updaters", path="#.load", updaters=text) == [
            "Saved. Later tasks see the context that they give."
        ]
        assert jobs.get_task(instance_id, "#.load")["updaters"] == json.loads(text)
        again = admin.get(url(instance_id, "updaters"), {"path": "#.load"}).content.decode()
        assert "$set" in again
        assert logged() == [
            "Context updaters, task #.load: Saved. Later tasks see the context that they give.",
        ]

    @pytest.mark.parametrize(
        ("text", "said"), [("[", "is not JSON"), ('[{"seen": {"$fly": 3}}]', "$fly"), ('{"a": 1}', "updaters")]
    )
    def test_mistakes_are_said_and_the_text_stays(self, admin: Client, text: str, said: str) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
        asked = admin.get(url(instance_id, "updaters"), {"path": "#.load"}).content.decode()
        fields = {"path": "#.load", "updaters": text, "confirm": "yes", "seen": seen(asked)}
        answer = admin.post(url(instance_id, "updaters"), fields)
        assert answer.status_code == 200
        html = unescape(answer.content.decode())
        assert said in html
        assert f">{text}</textarea>" in html
        assert not jobs.get_task(instance_id, "#.load")["updaters"]
        assert logged() == []

    def test_what_somebody_else_saved_meanwhile_is_shown(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
        before = seen(admin.get(url(instance_id, "updaters"), {"path": "#.load"}).content.decode())
        jobs.set_context_updaters(instance_id, "#.load", [{"a": {"$set": 1}}])
        fields = {"path": "#.load", "updaters": "[]", "confirm": "yes", "seen": before}
        assert "Something has changed meanwhile" in admin.post(url(instance_id, "updaters"), fields).content.decode()
        assert jobs.get_task(instance_id, "#.load")["updaters"] == [{"a": {"$set": 1}}]

    def test_only_of_a_task_that_is_ok(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", {"fail": True}, execute=True)
        assert "/do/updaters/" not in page(admin, instance_id, task="#.split.february")
        asked = admin.get(url(instance_id, "updaters"), {"path": "#.split.february"}).content.decode()
        assert "Only a task that is ok" in asked
        assert admin.get(url(instance_id, "updaters")).status_code == 404

    def test_need_two_permissions(self, django_user_model: Any) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
        names = ["view_workflowinstance", "change_workflowinstance", "view_payload_workflowinstance"]
        for given, status in ((names[:2], 403), ([names[0], names[2]], 403), (names, 200)):
            client = login(django_user_model, *given)
            assert client.get(url(instance_id, "updaters"), {"path": "#.load"}).status_code == status
            django_user_model.objects.all().delete()


class TestStopping:
    @pytest.mark.parametrize("data", [None, {"fail": True}])
    def test_what_does_not_work_cannot_be_paused(self, admin: Client, data: Any) -> None:
        assert "/do/pause/" not in page(admin, jobs.create_workflow_instance("flow_tree", data, execute=bool(data)))

    def test_cancels(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        start(instance_id)
        assert "/do/cancel/" in page(admin, instance_id)
        assert give(admin, instance_id, "cancel") == ["Cancelled."]
        assert WorkflowInstance.objects.get().status == "cancelled"
        assert logged() == ["Cancel: Cancelled."]

    def test_cancels_with_undo(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        start(instance_id)
        assert give(admin, instance_id, "cancel", undo="yes") == ["Cancelled; finished tasks will be undone."]
        header = jobs.storage.get_instance(instance_id)
        assert header is not None
        assert header.undo is not None
        assert logged() == ["Cancel, with undo: Cancelled; finished tasks will be undone."]

    def test_nothing_to_cancel(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
        assert "/do/cancel/" not in page(admin, instance_id)
        assert give(admin, instance_id, "cancel") == ["There was nothing to cancel."]

    def test_pauses_and_unpauses(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        start(instance_id)
        give(admin, instance_id, "pause")
        html = page(admin, instance_id)
        assert '<span class="jf-badge jf-queued">paused</span>' in html
        assert "/do/unpause/" in html
        assert '<span class="jf-badge jf-queued">paused</span>' in admin.get(LIST).content.decode()
        assert "/do/pause/" not in html
        give(admin, instance_id, "unpause")
        assert "paused</span>" not in page(admin, instance_id)
        assert len(logged()) == 2

    def test_a_cancellation_under_way_is_shown(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        start(instance_id)
        header = jobs.storage.get_instance(instance_id)
        assert header is not None
        options: dict[str, Any] = {
            "token": "t",
            "worker": "w",
            "revision": header.revision,
            "inputs": [],
            "lease": 60_000,
        }
        jobs.storage.claim(instance_id, "#.load", 1, **options)
        give(admin, instance_id, "cancel")
        html = page(admin, instance_id)
        assert "cancelling</span>" in html
        assert "/do/cancel/" not in html


class TestResetting:
    def test_all_and_a_part(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
        assert give(admin, instance_id, "reset", path="#.split") == ["Reset: #.split."]
        statuses = {path: record["status"] for path, record in jobs.snapshot(instance_id).tasks.items()}
        assert statuses == {
            "#.load": "ok",
            "#.split": "inactive",
            "#.split.january": "inactive",
            "#.split.february": "inactive",
            "#.report": "ok",
        }
        give(admin, instance_id, "reset")
        assert {record["status"] for record in jobs.snapshot(instance_id).tasks.values()} == {"inactive"}

    def test_not_while_it_works(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        start(instance_id)
        [message] = give(admin, instance_id, "reset")
        assert "is working" in message
        assert logged() == []


class TestDestroying:
    def test_the_row_and_the_records_go(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
        asked = admin.get(f"{LIST}{instance_id}/delete/", follow=True)
        assert "cannot be undone" in words(asked.content.decode())
        answer = admin.post(url(instance_id, "destroy"), {"confirm": "yes", "seen": seen(asked.content.decode())})
        assert answer.headers["Location"] == LIST
        assert (WorkflowInstance.objects.count(), jobs.storage.get_instance(instance_id)) == (0, None)
        assert logged() == ["Destroy: Destroyed."]
        assert LogEntry.objects.get().is_deletion()

    def test_a_row_without_records(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        jobs.storage.delete_instance(instance_id)
        assert "/do/destroy/" in page(admin, instance_id)
        give(admin, instance_id, "destroy")
        assert not WorkflowInstance.objects.exists()

    def test_without_a_storage_it_says_so(self, admin: Client, settings: Any) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        settings.JOBS_FLOW = {"STORAGE": "redis://127.0.0.1:1/0", "BACKEND": "sync"}
        [message] = give(admin, instance_id, "destroy")
        assert "cannot be reached" in message
        assert WorkflowInstance.objects.exists()

    def test_inside_the_projects_transaction(
        self, admin: Client, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(connections[database.alias].settings_dict, "ATOMIC_REQUESTS", True)
        instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
        give(admin, instance_id, "destroy")
        assert (WorkflowInstance.objects.count(), jobs.storage.get_instance(instance_id)) == (0, None)


class TestList:
    def act(self, client: Client, action: str, ids: list[str], **fields: str) -> str:
        """Choose, look, confirm; what the list says then."""
        data: dict[str, Any] = {"action": action, "_selected_action": ids}
        asked = client.post(LIST, {**data, "index": "0"})
        assert asked.status_code == 200, asked
        answer = client.post(
            LIST, {**data, "confirm": "yes", "seen": seen(asked.content.decode()), **fields}, follow=True
        )
        return words(answer.content.decode())

    def test_offers_what_the_reader_may_do(self, django_user_model: Any, admin: Client) -> None:
        jobs.create_workflow_instance("flow_tree")
        choices = re.findall(r'<option value="(\w+)"', admin.get(LIST).content.decode())
        assert choices == ["run", "resume", "cancel", "pause", "unpause", "reset", "delete_selected"]
        django_user_model.objects.all().delete()
        viewer = login(django_user_model, "view_workflowinstance")
        assert "_selected_action" not in viewer.get(LIST).content.decode()
        assert viewer.post(LIST, {"action": "delete_selected", "_selected_action": ["x"]}).status_code == 200

    def test_delete_selected_destroys(self, admin: Client) -> None:
        ids = [jobs.create_workflow_instance("flow_tree", execute=True) for _ in range(3)]
        text = self.act(admin, "delete_selected", ids[:2])
        assert text.count("Destroyed.") == 2
        assert [row.pk for row in WorkflowInstance.objects.all()] == ids[2:]
        assert [jobs.storage.get_instance(each) is None for each in ids] == [True, True, False]
        assert len(logged()) == 2

    def test_resumes_several_and_says_what_became_of_each(self, admin: Client) -> None:
        broken = failed()
        fine = jobs.create_workflow_instance("flow_tree", name="Fine", execute=True)
        asked = admin.post(LIST, {"action": "resume", "_selected_action": [broken, fine], "index": "0"})
        html = asked.content.decode()
        assert "nothing to resume" in words(html)
        assert re.findall(r"<li><code>(.*?)</code></li>", html) == ["#.split.february", "#.report"]
        text = self.act(admin, "resume", [broken, fine])
        assert "Broken: Run 2 started." in text
        assert "Fine: Instance " in text
        assert logged() == ["Resume, failed: Run 2 started."]

    def test_a_rule_of_the_project_is_asked_about_each(self, admin: Client, settings: Any) -> None:
        mine = jobs.create_workflow_instance("flow_tree", realm="north")
        other = jobs.create_workflow_instance("flow_tree", realm="south")
        settings.JOBS_FLOW = {**settings.JOBS_FLOW, "AUTHORIZE": f"{__name__}.spares_the_south"}
        text = self.act(admin, "delete_selected", [mine, other])
        assert "1 were left out" in text
        assert WorkflowInstance.objects.get().pk == other

    def test_not_more_than_can_be_looked_at(self, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("jobs_flow_django.admin.run_views.ROWS", 1)
        ids = [jobs.create_workflow_instance("flow_tree") for _ in range(2)]
        data = {"action": "delete_selected", "_selected_action": ids[:1], "select_across": "1", "index": "0"}
        assert "at most 1 instances" in words(admin.post(LIST, data, follow=True).content.decode())
        assert WorkflowInstance.objects.count() == 2


def spares_the_south(user: Any, action: str, instance: WorkflowInstance | None) -> bool:
    return not (action == "destroy" and instance is not None and instance.realm == "south")


class TestAccess:
    @pytest.mark.parametrize(
        ("name", "codename"),
        [
            ("run", "execute_workflowinstance"),
            ("resume", "execute_workflowinstance"),
            ("cancel", "execute_workflowinstance"),
            ("pause", "execute_workflowinstance"),
            ("unpause", "execute_workflowinstance"),
            ("reset", "execute_workflowinstance"),
            ("destroy", "delete_workflowinstance"),
        ],
    )
    def test_each_needs_its_permission(self, name: str, codename: str, django_user_model: Any) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        viewer = login(django_user_model, "view_workflowinstance")
        assert f"/do/{name}/" not in page(viewer, instance_id)
        for method in (viewer.get, viewer.post):
            assert method(url(instance_id, name), {"confirm": "yes"}).status_code == 403
        django_user_model.objects.all().delete()
        able = login(django_user_model, "view_workflowinstance", codename)
        assert able.get(url(instance_id, name)).status_code == 200

    def test_owners_may_cancel_and_resume_and_not_destroy(self, django_user_model: Any) -> None:
        client = login(django_user_model)
        owner = django_user_model.objects.get()
        instance_id = jobs.create_workflow_instance("flow_tree", {"fail": True}, owner=owner, execute=True)
        assert give(client, instance_id, "resume") == ["Run 2 started."]
        assert client.get(url(instance_id, "cancel")).status_code == 200
        assert client.get(url(instance_id, "destroy")).status_code == 403

    def test_nothing_happens_unconfirmed(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        for fields in ({}, {"confirm": "yes"}, {"confirm": "yes", "seen": "0" * 16}, {"seen": "x"}):
            assert admin.post(url(instance_id, "destroy"), fields).status_code == 200
        assert admin.get(url(instance_id, "destroy"), {"confirm": "yes"}).status_code == 200
        assert WorkflowInstance.objects.count() == 1

    def test_a_forged_request_is_refused(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = admin.cookies
        assert strict.post(url(instance_id, "destroy"), {"confirm": "yes"}).status_code == 403

    def test_unknown_commands_and_instances(self, admin: Client) -> None:
        assert admin.get(url(jobs.create_workflow_instance("flow_tree"), "explode")).status_code == 404
        assert admin.get(url("nobody", "destroy")).status_code == 302


class TestHistory:
    """What the page shows of a task's past."""

    def test_earlier_attempts(self, admin: Client) -> None:
        instance_id = failed()
        jobs.resume(instance_id)
        html = page(admin, instance_id, task="#.split.february")
        text = words(html)
        assert "Earlier attempts 1" in text
        assert "Run 1, attempt 1 failed" in text
        assert text.count("a secret number is not a number") >= 2
        assert text.count("counting drops") == 2

    def test_of_which_some_readers_see_the_outline(self, django_user_model: Any) -> None:
        instance_id = failed()
        jobs.resume(instance_id)
        viewer = login(django_user_model, "view_workflowinstance")
        html = page(viewer, instance_id, task="#.split.february")
        assert "Run 1, attempt 1" in html
        assert "secret" not in html
        assert "counting drops" not in html

    def test_markup_in_them_is_text(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_hostile", execute=True)
        jobs.execute_all_tasks(instance_id)
        for path in jobs.snapshot(instance_id).tasks:
            html = page(admin, instance_id, task=path)
            assert "Earlier attempts" in html
            assert "<img src=x" not in html
            asked = admin.get(url(instance_id, "reset"), {"path": path}).content.decode()
            assert "<script>alert" not in asked

    def test_retries_and_lost_workers(self, admin: Client) -> None:
        driven = DrivenInstance(jobs.storage, ["a"], workflow="flow_tree")
        WorkflowInstance.objects.create(id=driven.id, workflow="flow_tree", fingerprint=driven.plan.fingerprint)
        driven.create().start().claim("#.a")
        token = driven._tokens["#.a"]
        error = {"code": "WORKER_LOST", "message": "gone"}
        jobs.storage.lose(driven.id, "#.a", 1, token=token, max_losses=3, error=error)
        driven.claim("#.a")
        again = Outcome("failed", error={"code": "EXECUTION_FAILED", "message": "no"})
        jobs.storage.retry(driven.id, "#.a", 1, token=driven._tokens["#.a"], outcome=again, delay=60_000)
        html = page(admin, driven.id, task="#.a")
        text = words(html)
        assert "1 retry" in text
        assert "1 lost worker" in text
        assert re.search(r"tried again at \d\d:\d\d:\d\d", text)
        assert "Next try" in text
        assert "lost" in re.findall(r'jf-badge jf-(\w+)">\w+</span></div>', html)

    def test_stale_tasks(self, admin: Client) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
        assert "stale" not in words(page(admin, instance_id))
        jobs.execute_one_task(instance_id, "#.load")
        html = page(admin, instance_id, task="#.report")
        mark = '<span class="jf-mark" title="#.load was executed after it: run this task again">stale</span>'
        assert html.count(mark) == 4
        assert "#.load was executed after it" in words(html)


def test_a_broker_that_is_away_is_a_message(
    admin: Client, settings: Any, storage_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance_id = failed()
    monkeypatch.delenv("CELERY_BROKER_URL")
    app = Celery("nowhere", broker="redis://127.0.0.1:1/0", set_as_current=False, fixups=[])
    app.conf.task_publish_retry = False
    monkeypatch.setattr(facade, "find_celery_app", lambda: app)
    settings.JOBS_FLOW = {"STORAGE": storage_url, "BACKEND": "celery"}
    [message] = give(admin, instance_id, "resume")
    assert "broker" in message.lower()
