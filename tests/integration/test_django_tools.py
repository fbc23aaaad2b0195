"""``save_instance`` and the management commands."""

from __future__ import annotations

import math
import threading
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connections, transaction

from jobs_flow import Task, pruning
from jobs_flow.errors import InvalidArgument
from jobs_flow.storages.records import RunSelection
from jobs_flow.workflows import retention
from jobs_flow_django import jobs
from jobs_flow_django.models import OutboxEntry, WorkflowInstance
from jobs_flow_django.models.helpers import save_instance
from tests.conftest import Database
from tests.support import flows  # noqa: F401 - registers the workflows
from tests.support.eventually import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def sync_jobs(settings: Any, storage_url: str, database: Database) -> None:
    settings.JOBS_FLOW = {"STORAGE": storage_url, "BACKEND": "sync"}


class TestSaveInstance:
    def test_makes_a_row_and_changes_it(self, database: Database) -> None:
        row = save_instance(Group, {"name": "one"})
        again = save_instance(Group, {"name": "two"}, pk=row.pk)
        assert (again.pk, list(Group.objects.values_list("name", flat=True))) == (row.pk, ["two"])
        assert row._state.db == again._state.db == database.alias

    def test_takes_related_rows_and_their_ids(self, django_user_model: Any) -> None:
        user = django_user_model.objects.create_user("ada")
        fields = {"id": "a", "workflow": "w", "fingerprint": "f"}
        assert save_instance(WorkflowInstance, {**fields, "owner": user}).owner_id == user.pk
        assert save_instance(WorkflowInstance, {"owner_id": None}, pk="a").owner is None
        assert WorkflowInstance.objects.get().owner is None

    def test_is_part_of_the_callers_transaction(self, database: Database) -> None:
        kept = save_instance(Group, {"name": "kept"})
        with pytest.raises(ZeroDivisionError), transaction.atomic(using=database.alias):
            save_instance(Group, {"name": "new"})
            save_instance(Group, {"name": "changed"}, pk=kept.pk)
            raise ZeroDivisionError
        assert list(Group.objects.values_list("name", flat=True)) == ["kept"]

    def test_refuses_what_is_not_there(self) -> None:
        with pytest.raises(Group.DoesNotExist):
            save_instance(Group, {"name": "x"}, pk=4711)
        row = save_instance(Group, {"name": "x"})
        for pk in (None, row.pk):
            with pytest.raises(InvalidArgument, match="no field colour"):
                save_instance(Group, {"colour": "red"}, pk=pk)
        with pytest.raises(IntegrityError):
            save_instance(Group, {"name": "x"})

    def test_two_who_change_different_fields_keep_both(self, database: Database) -> None:
        save_instance(WorkflowInstance, {"id": "a", "workflow": "w", "fingerprint": "f"})
        locked, over = threading.Event(), []

        def other() -> None:
            locked.wait(10)
            save_instance(WorkflowInstance, {"name": "second"}, pk="a")
            over.append(True)
            connections[database.alias].close()

        thread = threading.Thread(target=other)
        thread.start()
        with transaction.atomic(using=database.alias):
            save_instance(WorkflowInstance, {"realm": "first"}, pk="a")
            locked.set()
            thread.join(0.3)
            assert not over
        thread.join(20)
        row = WorkflowInstance.objects.get()
        assert (row.realm, row.name) == ("first", "second")

    def test_inside_a_task_that_is_repeated(self) -> None:
        def store(res: Any, job: Any) -> int:
            return save_instance(Group, {"name": f"run {job.run}"}, pk=job.context.get("group")).pk

        jobs.register_workflow("tool_store", lambda data: [Task("store", store)])
        first = jobs.create_workflow_instance("tool_store", execute=True)
        group = jobs.get_task(first, "#.store")["body"]
        jobs.update_workflow(first, {"base_context": {"$set": {"group": group}}})
        jobs.execute_all_tasks(first)
        assert [(row.pk, row.name) for row in Group.objects.all()] == [(group, "run 2")]


def run(*words: str) -> str:
    output = StringIO()
    call_command(*words, stdout=output)
    return output.getvalue().strip()


def rows() -> set[str]:
    return set(WorkflowInstance.objects.values_list("pk", flat=True))


class TestCommands:
    def test_resume(self) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", {"fail": True}, execute=True)
        assert run("jobs_flow_resume", instance_id, "--preview").split() == ["#.split.february", "#.report"]
        assert len(run("jobs_flow_resume", instance_id, "--mode", "all", "--preview").split()) == 5
        assert run("jobs_flow_resume", instance_id) == "Run 2 started."
        assert run("jobs_flow_resume", instance_id, "--from", "#.load") == "Run 3 started."
        with pytest.raises(CommandError, match="no workflow instance"):
            run("jobs_flow_resume", "nobody")

    def test_cancel(self) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        assert run("jobs_flow_cancel", instance_id) == "There was nothing to cancel."
        jobs.storage.start_run(instance_id, RunSelection(jobs.get_all_paths("flow_tree"), ["#.load"], {}))
        assert run("jobs_flow_cancel", instance_id) == "Cancelled."
        assert jobs.get_workflow(instance_id)["status"] == "cancelled"
        with pytest.raises(CommandError):
            run("jobs_flow_cancel", instance_id, "--path", "#.nowhere")

    def test_destroy(self) -> None:
        ids = [jobs.create_workflow_instance("flow_tree", realm=realm) for realm in ("a", "a", "b", "c")]
        assert run("jobs_flow_destroy", ids[3], "nobody") == "1 destroyed."
        assert run("jobs_flow_destroy", "--realm", "a") == "2 destroyed."
        assert [row.pk for row in WorkflowInstance.objects.all()] == [ids[2]]
        for words in ((), (ids[2], "--realm", "b")):
            with pytest.raises(CommandError, match="Give ids, or --realm"):
                run("jobs_flow_destroy", *words)

    def test_prune(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(retention, "SHORTEST_KEEP", 0.0)
        monkeypatch.setattr(pruning, "PAGE", 2)
        tasks = [Task("a", lambda: 1)]
        jobs.register_workflow("tool_short", tasks, keep=0)
        jobs.register_workflow("tool_ever", tasks, keep=math.inf)
        short = [jobs.create_workflow_instance("tool_short", execute=True) for _ in range(5)]
        ever = [jobs.create_workflow_instance("tool_ever", execute=True) for _ in range(3)]
        failed = jobs.create_workflow_instance("flow_tree", {"fail": True}, execute=True)
        waiting = jobs.create_workflow_instance("tool_short")
        assert run("jobs_flow_prune", "--older-than", "1h") == "0 removed"
        assert run("jobs_flow_prune", "--dry-run") == "tool_short: 5\n5 would be removed"
        assert run("jobs_flow_prune", "--limit", "3") == "tool_short: 3\n3 removed"
        assert run("jobs_flow_prune") == "tool_short: 2\n2 removed"
        assert jobs.storage.get_instances(short) == [None] * 5
        assert rows() == {*ever, failed, waiting}
        assert run("jobs_flow_prune", "--older-than", "0", "--status", "failed") == "flow_tree: 1\n1 removed"
        assert run("jobs_flow_prune", "--older-than", "0", "--workflow", "tool_ever") == "tool_ever: 3\n3 removed"
        assert rows() == set(jobs.storage.list_ids()) == {waiting}
        assert not OutboxEntry.objects.exists()
        for wrong in (("--older-than", "soon"), ("--status", "working"), ("--limit", "0")):
            with pytest.raises(CommandError):
                run("jobs_flow_prune", *wrong)

    def test_prune_of_rows_without_records(self) -> None:
        over = jobs.create_workflow_instance("flow_tree", execute=True)
        young, old, asked, live = (jobs.create_workflow_instance("flow_tree") for _ in range(4))
        for each in (over, young, old, asked):
            jobs.storage.delete_instance(each)
        WorkflowInstance.objects.exclude(pk=young).update(created_at="2020-01-01T00:00:00Z")
        jobs.index.requested(asked, "start", {"kind": "all"})
        assert run("jobs_flow_prune", "--orphans", "--dry-run").endswith("2 rows without records would be removed")
        assert run("jobs_flow_prune", "--older-than", "0") == "0 removed\n1 rows without records removed"
        assert rows() == {young, old, asked, live}
        assert run("jobs_flow_prune", "--orphans").endswith("1 rows without records removed")
        assert rows() == {young, asked, live}

    def test_prune_leaves_what_a_commit_asked_to_start(self) -> None:
        over = jobs.create_workflow_instance("flow_tree", execute=True)
        token = jobs.index.requested(over, "start", {"kind": "all"})
        assert "1 stay" in run("jobs_flow_prune", "--older-than", "0")
        assert (rows(), OutboxEntry.objects.get().pk) == ({over}, token)

    def test_prune_by_a_row_that_lags_behind(self) -> None:
        over = jobs.create_workflow_instance("flow_tree", execute=True)
        jobs.storage.start_run(over, RunSelection(jobs.get_all_paths("flow_tree"), ["#.load"], {}))
        assert WorkflowInstance.objects.get().status == "done"
        assert "1 stay" in run("jobs_flow_prune", "--older-than", "0")
        assert jobs.get_workflow(over)["status"] == "working"
        assert not OutboxEntry.objects.exists()

    def test_prune_in_a_transaction_waits_for_the_commit(self, database: Database) -> None:
        over = jobs.create_workflow_instance("flow_tree", execute=True)
        with pytest.raises(ZeroDivisionError), transaction.atomic(using=database.alias):
            assert jobs.prune(older_than=0).destroyed == 1
            raise ZeroDivisionError
        assert rows() == set(jobs.storage.list_ids()) == {over}
        with transaction.atomic(using=database.alias):
            jobs.prune(older_than=0)
        assert rows() == set(jobs.storage.list_ids()) == set()

    def test_recover_removes_what_was_kept_for_long_enough(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(retention, "SHORTEST_KEEP", 0.0)
        jobs.register_workflow("tool_short", [Task("a", lambda: 1)], keep=0)
        over = jobs.create_workflow_instance("tool_short", execute=True)
        working = jobs.create_workflow_instance("tool_short")
        jobs.storage.start_run(working, RunSelection(["#.a"], ["#.a"], {}, keep=0))
        eventually(lambda: jobs.recover() and jobs.storage.get_instance(over) is None)
        assert rows() == set(jobs.storage.list_ids()) == {working}
        assert not OutboxEntry.objects.exists()

    def test_recover_does_what_a_process_that_died_had_begun(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The records were removed, and the row not yet."""
        over = jobs.create_workflow_instance("flow_tree", execute=True)
        with monkeypatch.context() as patch:
            patch.setattr(jobs.index, "deleted", lambda instance_id: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                jobs.prune(older_than=0)
        assert rows() == {over}
        OutboxEntry.objects.update(due_at="2020-01-01T00:00:00Z")
        jobs.recover()
        assert rows() == set()
        assert not OutboxEntry.objects.exists()

    def test_recover(self, database: Database, settings: Any, storage_url: str) -> None:
        settings.JOBS_FLOW = {"STORAGE": "redis://127.0.0.1:1/0", "BACKEND": "sync"}
        with transaction.atomic(using=database.alias):
            jobs.create_workflow_instance("flow_tree", execute=True)
        with pytest.raises(CommandError, match="cannot be reached"):
            run("jobs_flow_recover")
        OutboxEntry.objects.update(due_at="2020-01-01T00:00:00Z")
        settings.JOBS_FLOW = {"STORAGE": storage_url, "BACKEND": "sync"}
        assert run("jobs_flow_recover") == "1 put right."
        assert WorkflowInstance.objects.get().status == "done"

    def test_changed(self) -> None:
        jobs.register_workflow("tool_changing", lambda data: [Task("a", lambda res: 1)])
        jobs.create_workflow_instance("flow_tree")
        over = jobs.create_workflow_instance("tool_changing", execute=True)
        live = jobs.create_workflow_instance("tool_changing")
        assert run("jobs_flow_changed") == ""
        jobs.register_workflow("tool_changing", lambda data: [Task("b", lambda res: 1)])
        jobs.forget()  # as a new process, which has seen no plan yet
        output = StringIO()
        with pytest.raises(CommandError, match="1 instances need the code"):
            call_command("jobs_flow_changed", stdout=output)
        assert output.getvalue().split("\t")[:2] == [live, "tool_changing"]
        assert over not in output.getvalue()
