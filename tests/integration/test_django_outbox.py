"""A rolled-back transaction starts nothing; a committed one always starts, whoever dies. On SQLite and MariaDB."""

from __future__ import annotations

import signal
import sys
import textwrap
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import DatabaseError, OperationalError, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs_flow.backends.policy import Policy
from jobs_flow.errors import ConfigurationError, StorageUnavailable, TooLarge, UnknownWorkflow
from jobs_flow.index import Entry
from jobs_flow.starting import Start
from jobs_flow.storages.bodies import BodyLimits
from jobs_flow_django import jobs
from jobs_flow_django import outbox as outbox_module
from jobs_flow_django.index import DjangoIndex
from jobs_flow_django.models import OutboxEntry, WorkflowInstance
from tests.conftest import Database
from tests.support import flows  # noqa: F401 - registers the workflows
from tests.support.eventually import eventually
from tests.support.processes import Process, Worker
from tests.support.servers import MariaDB

pytestmark = pytest.mark.django_db(transaction=True)

NOWHERE = {"STORAGE": "redis://127.0.0.1:1/0", "BACKEND": "sync"}


@pytest.fixture(autouse=True)
def sync_jobs(settings: Any, storage_url: str, database: Database) -> None:
    settings.JOBS_FLOW = {"STORAGE": storage_url, "BACKEND": "sync"}


class Unwell(Exception):
    """Raised by a test to roll back."""


def unavailable(*_: Any, **__: Any) -> Any:
    raise StorageUnavailable(storage="redis://", reason="it is restarting")


def requests() -> list[tuple[str, str]]:
    return [(row.action, row.instance_id) for row in OutboxEntry.objects.order_by("token")]


def recover() -> list[Entry]:
    """One sweep, however young the entries."""
    entries = jobs.index.unfinished(0, 100)
    for entry in entries:
        jobs.perform(entry)
    return entries


class TestEntries:
    def test_nothing_is_left_of_what_was_done(self, database: Database) -> None:
        with transaction.atomic(using=database.alias):
            instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
            assert requests() == [("create", instance_id)]
        assert requests() == []
        other = jobs.create_workflow_instance("flow_tree", execute=True)
        assert requests() == []
        with transaction.atomic(using=database.alias):
            jobs.execute_all_tasks(instance_id)
            jobs.destroy_workflow(other)
            assert requests() == [("start", instance_id), ("destroy", other)]
        assert requests() == []
        assert WorkflowInstance.objects.get().run == 2

    def test_a_rollback_takes_them_with_it(self, database: Database) -> None:
        kept = jobs.create_workflow_instance("flow_tree")
        with pytest.raises(Unwell), transaction.atomic(using=database.alias):
            jobs.create_workflow_instance("flow_tree", execute=True)
            jobs.execute_all_tasks(kept)
            jobs.resume(kept)
            jobs.destroy_workflow(kept)
            raise Unwell
        assert requests() == []
        assert recover() == []
        row = WorkflowInstance.objects.get()
        assert (row.pk, row.run) == (kept, 0)

    def test_an_argument_over_the_limit_is_refused_before_the_commit(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        monkeypatch.setattr(type(jobs.backend), "policy", Policy(bodies=BodyLimits(10_000, 20_000)))
        with transaction.atomic(using=database.alias):
            with pytest.raises(TooLarge, match="the argument is 20002 bytes"):
                jobs.execute_one_task(instance_id, "#.first", "x" * 20_000)
            assert requests() == []

    def test_what_a_wrong_setting_keeps_from_being_done_is_done_when_it_is_right(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        refusal = ConfigurationError(setting="bodies", reason="s3://bucket answers AccessDenied")
        monkeypatch.setattr(jobs.runtime.bodies, "forget", Mock(side_effect=[refusal, refusal, None]))
        with transaction.atomic(using=database.alias):
            jobs.destroy_workflow(instance_id)
        assert requests() == [("destroy", instance_id)]
        recover()
        assert requests() == [("destroy", instance_id)]
        OutboxEntry.objects.update(due_at=timezone.now())
        recover()
        assert (requests(), WorkflowInstance.objects.count()) == ([], 0)

    def test_what_could_not_be_done_after_the_commit_is_done_later(
        self, database: Database, settings: Any, storage_url: str
    ) -> None:
        settings.JOBS_FLOW = NOWHERE
        with transaction.atomic(using=database.alias):
            instance_id = jobs.create_workflow_instance(
                "flow_tree", {"a": [1, "ü"]}, base_context={"b": 1}, execute=True
            )
        assert requests() == [("create", instance_id)]
        settings.JOBS_FLOW = {"STORAGE": storage_url, "BACKEND": "sync"}
        recover()
        row = WorkflowInstance.objects.get()
        assert (row.pk, row.status, row.run) == (instance_id, "done", 1)
        header = jobs.storage.get_instance(instance_id)
        assert header is not None
        assert (header.data, header.base_context) == ({"a": [1, "ü"]}, {"b": 1})
        assert requests() == []

    def test_a_start_whose_creation_failed_waits_for_it(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(jobs.storage, "create_instance", unavailable)
            with transaction.atomic(using=database.alias):
                instance_id = jobs.create_workflow_instance("flow_tree")
                jobs.execute_all_tasks(instance_id)
        assert sorted(requests()) == [("create", instance_id), ("start", instance_id)]
        recover()
        row = WorkflowInstance.objects.get()
        assert (row.status, row.run, requests()) == ("done", 1, [])

    def test_code_that_does_not_know_the_workflow_leaves_a_start_to_others(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unknown(name: str, data: Any) -> Any:
            raise UnknownWorkflow(workflow=name)

        instance_id = jobs.create_workflow_instance("flow_tree")
        jobs.index.requested(instance_id, "start", {**Start("all").to_arguments(), "expect_run": 1})
        with monkeypatch.context() as patch:
            patch.setattr(jobs.registry, "plan", unknown)
            recover()
        assert requests() == [("start", instance_id)]
        recover()
        assert (WorkflowInstance.objects.get().run, requests()) == (1, [])

    def test_a_database_that_is_away_while_an_entry_is_performed_loses_no_start(
        self, database: Database, settings: Any, storage_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("jobs_flow_django.database.FIRST_PAUSE", 0)
        settings.JOBS_FLOW = NOWHERE
        with transaction.atomic(using=database.alias):
            instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
        settings.JOBS_FLOW = {"STORAGE": storage_url, "BACKEND": "sync"}

        def fail(execute: Any, sql: str, *rest: Any) -> Any:
            if sql.startswith("UPDATE") and WorkflowInstance._meta.db_table in sql:
                raise OperationalError(2006, "Server has gone away")
            return execute(sql, *rest)

        with connections[database.alias].execute_wrapper(fail):
            recover()
        assert requests() == [("create", instance_id)]
        recover()
        row = WorkflowInstance.objects.get()
        assert (row.status, row.run, requests()) == ("done", 1, [])

    def test_what_can_never_be_done_goes(self, database: Database) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
        jobs.index.requested(instance_id, "start", {**Start("resume", mode="failed").to_arguments(), "expect_run": 2})
        recover()
        assert (WorkflowInstance.objects.get().run, requests()) == (1, [])

    def test_a_storage_that_goes_away_between_creation_and_start_is_waited_for(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(jobs.storage, "start_run", unavailable)
            instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
        assert requests() == [("create", instance_id)]
        recover()
        row = WorkflowInstance.objects.get()
        assert (row.status, row.run, requests()) == ("done", 1, [])

    def test_what_is_refused_without_a_transaction_leaves_none(self, settings: Any) -> None:
        settings.JOBS_FLOW = NOWHERE
        with pytest.raises(StorageUnavailable):
            jobs.create_workflow_instance("flow_tree", execute=True)
        assert requests() == []

    def test_performing_twice_is_harmless(self, database: Database) -> None:
        index = jobs.index
        with transaction.atomic(using=database.alias):
            instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
            row = OutboxEntry.objects.get()
        OutboxEntry.objects.bulk_create([row])
        [entry] = recover()
        jobs.perform(entry)
        assert (WorkflowInstance.objects.get().run, requests()) == (1, [])
        with transaction.atomic(using=database.alias):
            jobs.execute_all_tasks(instance_id)
            row = OutboxEntry.objects.get()
        OutboxEntry.objects.bulk_create([row])
        recover()
        assert (WorkflowInstance.objects.get().run, index.unfinished(0, 10)) == (2, [])

    def test_those_of_a_deleted_instance_go(self, database: Database) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        jobs.index.requested(instance_id, "start", {})
        jobs.destroy_workflow(instance_id)
        assert (requests(), WorkflowInstance.objects.count()) == ([], 0)


class TestTaking:
    """What recovery is given."""

    def age(self, seconds: float) -> None:
        OutboxEntry.objects.update(due_at=timezone.now() - timedelta(seconds=seconds))

    def test_only_what_is_old_enough_the_oldest_first(self) -> None:
        index = DjangoIndex()
        first, second, _third = (index.requested(f"i{n}", "start", {"n": n}) for n in range(3))
        assert index.unfinished(30, 10) == []
        self.age(31)
        assert [entry.token for entry in index.unfinished(30, 2)] == [first, second]
        assert [entry.arguments for entry in index.unfinished(30, 2)] == [{"n": 2}]

    def test_each_is_given_later_and_later(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # At one moment: how long all of this takes is not counted.
        moment = timezone.now()
        monkeypatch.setattr(timezone, "now", lambda: moment)
        index = DjangoIndex()
        token = index.requested("i", "start", {})
        pauses = []
        for _ in range(10):
            self.age(10.5)
            assert [entry.token for entry in index.unfinished(10, 10)] == [token]
            assert index.unfinished(10, 10) == []
            pauses.append(round((OutboxEntry.objects.get().due_at - timezone.now()).total_seconds()) + 10)
        assert pauses == [10, 20, 40, 80, 160, 320, 640, 640, 640, 640]

    def test_two_who_ask_at_once_share(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        index = DjangoIndex()
        tokens = {index.requested(f"i{n}", "start", {}) for n in range(4)}
        self.age(31)
        other: list[str] = []
        original = outbox_module.persist

        def interrupted(using: str, write: Callable[[bool], Any]) -> Any:
            result = original(using, write)
            if isinstance(result, list) and not other:
                monkeypatch.setattr(outbox_module, "persist", original)
                other.extend(entry.token for entry in index.unfinished(30, 2))
            return result

        monkeypatch.setattr(outbox_module, "persist", interrupted)
        mine = [entry.token for entry in index.unfinished(30, 10)]
        assert len(other) == 2
        assert sorted([*mine, *other]) == sorted(tokens)

    def test_unknown_workflows_wait_for_code_that_knows_them(self, database: Database, settings: Any) -> None:
        settings.JOBS_FLOW = NOWHERE
        with transaction.atomic(using=database.alias):
            instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
        WorkflowInstance.objects.update(workflow="of_another_version")
        assert jobs.index.unfinished(0, 10) == []
        WorkflowInstance.objects.update(workflow="flow_tree")
        [entry] = jobs.index.unfinished(0, 10)
        assert entry.new is not None
        assert (entry.new.id, entry.new.paths[0]) == (instance_id, "#.load")

    def test_queries_are_few_and_bounded(self, database: Database) -> None:
        index = DjangoIndex()
        for number in range(30):
            index.requested(f"i{number}", "start", {})
        with CaptureQueriesContext(connections[database.alias]) as captured:
            assert len(index.unfinished(0, 5)) == 5
        assert len(captured) == 6
        assert "LIMIT 5" in captured[0]["sql"]

    def test_the_index_is_used(self, database: Database) -> None:
        index = DjangoIndex()
        for number in range(300):
            index.requested(f"i{number}", "start", {})
        if database.vendor == "mysql":
            with connections[database.alias].cursor() as cursor:
                cursor.execute("ANALYZE TABLE jobs_flow_outbox")
        due = OutboxEntry.objects.filter(due_at__lte=timezone.now() - timedelta(days=1)).order_by("due_at", "token")
        assert "jobs_flow_outbox_due" in due[:5].explain()

    def test_an_entry_that_cannot_be_removed_is_only_done_again(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("jobs_flow_django.database.FIRST_PAUSE", 0)

        def fail(execute: Any, sql: str, *rest: Any) -> Any:
            if sql.startswith("DELETE") and "jobs_flow_outbox" in sql:
                raise OperationalError(2006, "Server has gone away")
            return execute(sql, *rest)

        with connections[database.alias].execute_wrapper(fail):
            jobs.create_workflow_instance("flow_tree", execute=True)
        assert len(requests()) == 1
        recover()
        assert (requests(), WorkflowInstance.objects.get().run) == ([], 1)

    def test_inside_a_transaction_errors_are_its_owners(self, database: Database) -> None:
        def fail(execute: Any, sql: str, *rest: Any) -> Any:
            raise OperationalError(1213, "Deadlock")

        with pytest.raises(DatabaseError), transaction.atomic(using=database.alias):  # noqa: SIM117
            with connections[database.alias].execute_wrapper(fail):
                jobs.index.done("any")


CREATE = """
    import os, signal, django
    django.setup()
    from django.db import transaction
    from jobs_flow_django import jobs
    def die():
        os.kill(os.getpid(), signal.SIGKILL)
    with transaction.atomic():
        {before}
        print("id", jobs.create_workflow_instance("behaviour_ok", execute=True), flush=True)
        {after}
"""
START = """
    import os, signal, django
    django.setup()
    from django.db import transaction
    from jobs_flow_django import jobs
    with transaction.atomic():
        transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
        jobs.execute_all_tasks({id!r})
"""
#: Dies outside a transaction, at a place in the facade.
AT = """
    import os, signal, django
    django.setup()
    from jobs_flow import syncpoints
    from jobs_flow_django import jobs
    def die(name, *details):
        if name == {place!r}:
            print("id", details[0], flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    syncpoints.install(die)
    jobs.create_workflow_instance("behaviour_ok", execute=True)
"""


class TestKilled:
    """SIGKILL to the process that commits; a worker does what it left."""

    @pytest.fixture
    def run(self, start_process: Callable[[Process], Process]) -> Callable[[str], Process]:
        def run(code: str) -> Process:
            env = {"DJANGO_SETTINGS_MODULE": "testproject.settings"}
            process = start_process(Process([sys.executable, "-c", textwrap.dedent(code)], name="killed", env=env))
            assert process.wait(60) == -signal.SIGKILL, process.output()
            return process

        return run

    def id_of(self, process: Process) -> str:
        return process.wait_for_output(r"id (\S+)").group(1)

    def status_of(self, instance_id: str) -> str | None:
        header = jobs.storage.get_instance(instance_id)
        return None if header is None else header.status

    def is_done_once(self) -> None:
        eventually(lambda: WorkflowInstance.objects.get().status == "done", 60)
        # Whoever performed an entry removes it afterwards; its tasks may be over by then.
        eventually(lambda: requests() == [], 30)
        assert WorkflowInstance.objects.get().run == 1

    def test_between_commit_and_publish(
        self, database: Database, run: Callable[[str], Process], start_worker: Callable[..., Worker]
    ) -> None:
        instance_id = self.id_of(run(CREATE.format(before="transaction.on_commit(die)", after="")))
        assert self.status_of(instance_id) is None
        assert WorkflowInstance.objects.get().pk == instance_id
        start_worker(env={"JOBS_FLOW_LEASE": "1"}, pool="solo")
        self.is_done_once()

    def test_before_the_commit(self, database: Database, run: Callable[[str], Process]) -> None:
        instance_id = self.id_of(run(CREATE.format(before="", after="die()")))
        assert (WorkflowInstance.objects.count(), requests(), recover()) == (0, [], [])
        assert self.status_of(instance_id) is None

    def test_with_a_start_of_an_instance_that_was_there(
        self, database: Database, run: Callable[[str], Process], start_worker: Callable[..., Worker]
    ) -> None:
        instance_id = jobs.create_workflow_instance("behaviour_ok")
        run(START.format(id=instance_id))
        assert self.status_of(instance_id) == "inactive"
        start_worker(env={"JOBS_FLOW_LEASE": "1"}, pool="solo")
        self.is_done_once()

    @pytest.mark.parametrize("place", ["jobs.create", "jobs.created", "jobs.start", "jobs.started", "jobs.published"])
    def test_without_a_transaction(
        self, database: Database, place: str, run: Callable[[str], Process], start_worker: Callable[..., Worker]
    ) -> None:
        self.id_of(run(AT.format(place=place)))
        start_worker(env={"JOBS_FLOW_LEASE": "1"}, pool="solo")
        self.is_done_once()


@pytest.mark.parametrize("database", ["mysql"], indirect=True)
class TestDatabaseDown:
    def test_rows_follow_once_it_is_back(
        self, database: Database, mariadb: MariaDB, start_worker: Callable[..., Worker], settings: Any, storage_url: str
    ) -> None:
        if not mariadb.is_ours:
            pytest.skip("the server is somebody else's")
        settings.JOBS_FLOW = {"STORAGE": storage_url}
        instance_id = jobs.create_workflow_instance("behaviour_parallel", execute=True)
        worker = start_worker(env={"JOBS_FLOW_LEASE": "2", "DEMO_PACE": "0.2"})
        eventually(lambda: jobs.get_workflow(instance_id)["progress"] > 0, 40)
        mariadb.go_down()
        try:
            eventually(lambda: jobs.get_workflow(instance_id)["status"] == "done", 60)
            with pytest.raises(OperationalError):
                jobs.create_workflow_instance("behaviour_ok")
        finally:
            mariadb.come_back()
            connections[database.alias].close()
        other = jobs.create_workflow_instance("behaviour_ok", execute=True)
        eventually(lambda: WorkflowInstance.objects.get(pk=other).status == "done", 60)
        eventually(lambda: WorkflowInstance.objects.get(pk=instance_id).status == "done", 60)
        assert worker.running
        assert WorkflowInstance.objects.count() == 2
