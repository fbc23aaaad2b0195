"""``save_instance`` and the management commands."""

from __future__ import annotations

import threading
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connections, transaction

from jobs_flow import Task
from jobs_flow.errors import InvalidArgument
from jobs_flow.storages.records import RunSelection
from jobs_flow_django import jobs
from jobs_flow_django.models import OutboxEntry, WorkflowInstance
from jobs_flow_django.models.helpers import save_instance
from tests.conftest import Database
from tests.support import flows  # noqa: F401 - registers the workflows

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
