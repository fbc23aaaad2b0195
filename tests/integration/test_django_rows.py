"""Instances as rows, on SQLite and MariaDB: written with the caller's transaction, mirroring the storage."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, OperationalError, connections, transaction

from jobs_flow.errors import CannotStart, InvalidArgument, StorageUnavailable, UnknownWorkflow
from jobs_flow.storages.records import Instance, NewInstance
from jobs_flow_django import database as database_module
from jobs_flow_django import jobs, signals
from jobs_flow_django.index import DjangoIndex, from_milliseconds
from jobs_flow_django.models import WorkflowInstance
from tests.conftest import Database
from tests.support import flows  # noqa: F401 - registers the workflows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def sync_jobs(settings: Any, storage_url: str, database: Database) -> None:
    settings.JOBS_FLOW = {"STORAGE": storage_url, "BACKEND": "sync"}


class Unwell(Exception):
    """Raised by a test to roll back."""


class TestCreating:
    def test_writes_what_was_given(self, django_user_model: Any) -> None:
        user = django_user_model.objects.create_user("ada")
        data = {"fail": False, "text": "Größe 🌧", "none": None, "list": [1, 2.5, "\x00"]}
        instance_id = jobs.create_workflow_instance(
            "flow_tree",
            data,
            realm="düsseldorf 🏙",
            name="Rain 🌧",
            base_context={"unit": "mm"},
            ephemeral=True,
            owner=user,
        )
        row = WorkflowInstance.objects.get(pk=instance_id)
        assert (row.workflow, row.realm, row.name, row.ephemeral) == ("flow_tree", "düsseldorf 🏙", "Rain 🌧", True)
        assert (row.data, row.base_context) == (data, {"unit": "mm"})
        assert (row.owner, row.status, row.run, row.progress) == (user, "inactive", 0, 0.0)
        assert row.fingerprint == jobs.storage.get_instance(instance_id).fingerprint  # type: ignore[union-attr]
        assert abs(row.created_at - datetime.now(UTC)) < timedelta(minutes=1)

    @pytest.mark.parametrize("data", [None, 0, False, "", [], {}])
    def test_falsy_data_stays_what_it_is(self, data: Any) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", data)
        found = WorkflowInstance.objects.get(pk=instance_id).data
        assert (found, type(found)) == (data, type(data))

    def test_anonymous_users_own_nothing(self) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", owner=AnonymousUser())
        assert WorkflowInstance.objects.get(pk=instance_id).owner is None

    def test_an_owner_ends_with_its_call(self, django_user_model: Any) -> None:
        with pytest.raises(UnknownWorkflow):
            jobs.create_workflow_instance("nobody_knows", owner=django_user_model.objects.create_user("ada"))
        instance_id = jobs.create_workflow_instance("flow_tree")
        assert WorkflowInstance.objects.get(pk=instance_id).owner is None

    def test_a_deleted_owner_leaves_the_instance(self, django_user_model: Any) -> None:
        user = django_user_model.objects.create_user("ada")
        instance_id = jobs.create_workflow_instance("flow_tree", owner=user)
        user.delete()
        assert WorkflowInstance.objects.get(pk=instance_id).owner is None

    def test_what_is_refused_leaves_no_row(self, settings: Any) -> None:
        with pytest.raises(UnknownWorkflow):
            jobs.create_workflow_instance("nobody_knows")
        with pytest.raises(InvalidArgument):
            jobs.create_workflow_instance("flow_tree", realm="r" * 201)
        settings.JOBS_FLOW = {"STORAGE": "redis://127.0.0.1:1/0", "BACKEND": "sync"}
        with pytest.raises(StorageUnavailable):
            jobs.create_workflow_instance("flow_tree")
        assert not WorkflowInstance.objects.exists()

    def test_the_longest_texts_fit(self) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", realm="🏙" * 200, name="🌧" * 200)
        assert WorkflowInstance.objects.in_realm("🏙" * 200).get().pk == instance_id


class TestTransactions:
    def test_a_rollback_leaves_nothing(self, database: Database) -> None:
        with pytest.raises(Unwell), transaction.atomic(using=database.alias):
            instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
            raise Unwell
        assert not WorkflowInstance.objects.exists()
        assert jobs.storage.get_instance(instance_id) is None

    def test_waits_for_the_commit_and_then_runs(self, database: Database) -> None:
        with transaction.atomic(using=database.alias):
            instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
            assert WorkflowInstance.objects.get().pk == instance_id
            assert jobs.storage.get_instance(instance_id) is None
        assert WorkflowInstance.objects.get().status == "done"

    def test_a_savepoint_that_is_rolled_back_takes_only_its_own(self, database: Database) -> None:
        with transaction.atomic(using=database.alias):
            kept = jobs.create_workflow_instance("flow_tree", execute=True)
            with pytest.raises(Unwell), transaction.atomic(using=database.alias):
                jobs.create_workflow_instance("flow_tree", execute=True)
                raise Unwell
        assert [(row.pk, row.status) for row in WorkflowInstance.objects.all()] == [(kept, "done")]

    def test_a_run_asked_for_in_a_transaction_starts_with_its_commit(self, database: Database) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")
        with pytest.raises(Unwell), transaction.atomic(using=database.alias):
            assert jobs.execute_all_tasks(instance_id).run is None
            raise Unwell
        assert WorkflowInstance.objects.get().run == 0
        with transaction.atomic(using=database.alias):
            jobs.execute_all_tasks(instance_id)
        assert WorkflowInstance.objects.get().run == 1

    def test_what_goes_wrong_after_the_commit_harms_nobody_else(self, database: Database, settings: Any) -> None:
        called: list[str] = []
        settings.JOBS_FLOW = {"STORAGE": "redis://127.0.0.1:1/0", "BACKEND": "sync"}
        with transaction.atomic(using=database.alias):
            jobs.create_workflow_instance("flow_tree", execute=True)
            transaction.on_commit(lambda: called.append("another app's"), using=database.alias)
        assert called == ["another app's"]
        assert WorkflowInstance.objects.get().status == "inactive"


class TestMirroring:
    def test_a_finished_run(self) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
        row, header = WorkflowInstance.objects.get(), jobs.storage.get_instance(instance_id)
        assert header is not None
        assert (row.status, row.run, row.progress, row.error) == ("done", 1, 1.0, None)
        assert row.started_at == from_milliseconds(header.started_at)
        assert row.finished_at == from_milliseconds(header.finished_at)
        assert row.duration == row.finished_at - row.started_at
        assert (row.seq, row.updated_at) == (header.seq, from_milliseconds(header.updated_at))

    def test_a_failed_run_and_the_next_one(self) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree", {"fail": True}, execute=True)
        row = WorkflowInstance.objects.get()
        assert (row.status, row.run, row.progress) == ("failed", 1, 0.8)
        assert row.error["path"] == "#.split.february"
        with pytest.raises(CannotStart):
            jobs.execute_one_task(instance_id, "#.report")
        jobs.execute_one_task(instance_id, "#.load")
        row = WorkflowInstance.objects.get()
        assert (row.run, row.status) == (2, jobs.get_workflow(instance_id)["status"])

    def test_naive_times_where_the_project_has_no_time_zones(self, settings: Any) -> None:
        settings.USE_TZ = False
        assert from_milliseconds(0) == datetime(1970, 1, 1)  # noqa: DTZ001
        jobs.create_workflow_instance("flow_tree", execute=True)
        assert WorkflowInstance.objects.get().finished_at.tzinfo is None


def header(run: int, status: str, seq: int, at: int, **fields: Any) -> Instance:
    return dataclasses.replace(
        Instance(
            id="an-instance",
            workflow="w",
            data=None,
            base_context={},
            fingerprint="f",
            realm="",
            name="",
            ephemeral=False,
            status=status,
            run=run,
            revision=1,
            created_at=0,
            updated_at=at,
            started_at=at,
            finished_at=None if status == "working" else at,
            error=None,
            counts={"ok": 1},
            seq=seq,
        ),
        **fields,
    )


class TestOrder:
    """Workers mirror what they saw, whenever they come to it: the row never goes back."""

    STATES = (
        header(1, "working", 2, 2_000_000_000_000),
        header(1, "failed", 5, 2_000_000_000_400),
        header(2, "working", 6, 2_000_000_001_000),
        header(2, "done", 9, 2_000_000_001_000),
    )

    @pytest.fixture(autouse=True)
    def row(self) -> None:
        new = NewInstance(id="an-instance", workflow="w", data=1, base_context={}, fingerprint="f", tree=(), paths=())
        DjangoIndex().created(new)

    def state(self) -> tuple[int, str]:
        row = WorkflowInstance.objects.get()
        return row.run, row.status

    @pytest.mark.parametrize(
        "order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1), (0, 3, 2), (1, 0, 3, 2, 2, 0)], ids=lambda order: str(order)
    )
    def test_the_newest_state_stays(self, order: tuple[int, ...]) -> None:
        for number in order:
            DjangoIndex().changed(self.STATES[number])
        assert self.state() == (2, "done")

    def test_a_storage_that_lost_its_last_events_is_followed(self) -> None:
        DjangoIndex().changed(header(2, "done", 50, 2_000_000_000_000))
        DjangoIndex().changed(header(2, "failed", 45, 2_000_000_060_000))
        assert self.state() == (2, "failed")

    def test_a_clock_behind_that_of_the_web_server_does_no_harm(self) -> None:
        DjangoIndex().changed(header(1, "done", 4, 1_000))
        assert self.state() == (1, "done")

    def test_one_query(self, database: Database, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(1, connection=connections[database.alias]):
            DjangoIndex().changed(self.STATES[0])

    def test_an_instance_without_a_row_is_none_of_its_business(self) -> None:
        DjangoIndex().changed(dataclasses.replace(self.STATES[0], id="unknown"))
        assert self.state() == (0, "inactive")

    def test_an_instance_that_the_storage_did_not_take_is_forgotten(self) -> None:
        DjangoIndex().discard("an-instance")
        assert not WorkflowInstance.objects.exists()


class Flaky:
    """Makes the first executions of a connection fail; afterwards lets them through, or not."""

    def __init__(self, failures: int, *, after: bool = False) -> None:
        self.failures = failures
        self.after = after

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if self.failures and "jobs_flow_instance" in sql and not sql.startswith("SELECT"):
            self.failures -= 1
            if self.after:
                execute(sql, params, many, context)
            raise OperationalError(1213, "Deadlock found when trying to get lock; try restarting transaction")
        return execute(sql, params, many, context)


class TestTrouble:
    @pytest.fixture(autouse=True)
    def no_pauses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(database_module, "FIRST_PAUSE", 0)

    def test_deadlocks_are_tried_again(self, database: Database) -> None:
        with connections[database.alias].execute_wrapper(Flaky(database_module.ATTEMPTS - 1)):
            instance_id = jobs.create_workflow_instance("flow_tree")
        assert WorkflowInstance.objects.get().pk == instance_id

    def test_not_for_ever(self, database: Database) -> None:
        with (
            connections[database.alias].execute_wrapper(Flaky(database_module.ATTEMPTS)),
            pytest.raises(OperationalError),
        ):
            jobs.create_workflow_instance("flow_tree")
        assert not WorkflowInstance.objects.exists()

    def test_a_row_that_was_written_before_the_error_is_not_written_twice(self, database: Database) -> None:
        with connections[database.alias].execute_wrapper(Flaky(1, after=True)):
            instance_id = jobs.create_workflow_instance("flow_tree")
        assert WorkflowInstance.objects.get().pk == instance_id

    def test_inside_a_transaction_only_its_owner_may_try_again(self, database: Database) -> None:
        flaky = Flaky(2)
        with pytest.raises(OperationalError), transaction.atomic(using=database.alias):  # noqa: SIM117
            with connections[database.alias].execute_wrapper(flaky):
                jobs.create_workflow_instance("flow_tree")
        assert flaky.failures == 1

    @pytest.mark.parametrize("database", ["mysql"], indirect=True)
    def test_a_lost_connection_is_opened_again(self, database: Database) -> None:
        connection = connections[database.alias]
        WorkflowInstance.objects.count()
        self.kill(database, connection)
        instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
        row = WorkflowInstance.objects.get()
        assert (row.pk, row.status) == (instance_id, "done")

    def kill(self, database: Database, connection: Any) -> None:
        """End the connection on the server, from another one."""
        number = connection.connection.thread_id()

        def end() -> None:
            other = connections[database.alias]
            with other.cursor() as cursor:
                cursor.execute(f"KILL {number}")
            other.close()

        thread = threading.Thread(target=end)
        thread.start()
        thread.join()

    def test_a_taken_id_is_an_error(self) -> None:
        new = NewInstance(id="taken", workflow="w", data=1, base_context={}, fingerprint="f", tree=(), paths=())
        DjangoIndex().created(new)
        with pytest.raises(IntegrityError):
            DjangoIndex().created(new)


class TestCoroutines:
    def test_run_on_the_connection_of_the_request(self, database: Database) -> None:
        with pytest.raises(Unwell), transaction.atomic(using=database.alias):
            instance_id = async_to_sync(jobs.acreate_workflow_instance)("flow_tree", execute=True)
            assert WorkflowInstance.objects.get().pk == instance_id
            raise Unwell
        assert not WorkflowInstance.objects.exists()

    def test_know_the_owner(self, django_user_model: Any) -> None:
        user = django_user_model.objects.create_user("ada")
        async_to_sync(jobs.acreate_workflow_instance)("flow_tree", owner=user)
        assert WorkflowInstance.objects.get().owner == user

    def test_waiting_keeps_nobody_else_from_working(self) -> None:
        instance_id = jobs.create_workflow_instance("flow_tree")

        async def both() -> Any:
            waiting = asyncio.create_task(jobs.await_result(instance_id, 10))
            await asyncio.sleep(0)
            await jobs.aexecute_all_tasks(instance_id)
            return await waiting

        assert async_to_sync(both)() == {"months": {"january": 3, "february": 7}}


class TestSignals:
    def test_tell_what_happened(self) -> None:
        heard: list[tuple[str, dict[str, Any]]] = []
        receivers = {}
        for name in ("workflow_started", "workflow_completed", "workflow_failed"):

            def receive(sender: Any, signal: Any, name: str = name, **info: Any) -> None:
                assert sender is WorkflowInstance
                heard.append((name, info))

            receivers[name] = receive
            getattr(signals, name).connect(receive)
        try:
            good = jobs.create_workflow_instance("flow_tree", execute=True)
            bad = jobs.create_workflow_instance("flow_tree", {"fail": True}, execute=True)
        finally:
            for name, receive in receivers.items():
                getattr(signals, name).disconnect(receive)
        assert [(name, info["id"]) for name, info in heard] == [
            ("workflow_started", good),
            ("workflow_completed", good),
            ("workflow_started", bad),
            ("workflow_failed", bad),
        ]
        assert heard[-1][1]["path"] == "#.split.february"

    def test_a_receiver_that_raises_harms_nobody(self) -> None:
        def receive(**info: Any) -> None:
            raise Unwell

        signals.workflow_completed.connect(receive)
        try:
            jobs.create_workflow_instance("flow_tree", execute=True)
        finally:
            signals.workflow_completed.disconnect(receive)
        assert WorkflowInstance.objects.get().status == "done"


class TestListing:
    """``get_all_workflows`` is answered by the rows; what it says of an instance is the storage's word."""

    @pytest.fixture
    def ids(self) -> list[str]:
        made = [
            jobs.create_workflow_instance(
                "flow_tree", {"fail": number == 1}, realm=f"r{number % 2}", execute=number < 3
            )
            for number in range(5)
        ]
        return sorted(made, reverse=True)

    def test_as_without_rows(self, ids: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        questions: list[dict[str, Any]] = [
            {},
            {"limit": 2},
            {"limit": 2, "after": ids[1]},
            {"status": "done"},
            {"status": "failed", "realm": "r1"},
            {"workflow": "flow_tree", "realm": "r0", "limit": 1},
            {"workflow": "unknown"},
            {"realm": "nobody"},
        ]
        by_rows = [jobs.get_all_workflows(**question) for question in questions]
        monkeypatch.setattr(jobs.index, "page", lambda **question: None)
        assert by_rows == [jobs.get_all_workflows(**question) for question in questions]
        assert [len(answer) for answer in by_rows] == [5, 2, 2, 2, 1, 1, 0, 0]

    def test_the_storages_own_list_is_not_read(self, ids: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        def read(**question: Any) -> list[str]:
            raise AssertionError("it is as long as there are instances")

        monkeypatch.setattr(jobs.storage, "list_ids", read)
        assert len(jobs.get_all_workflows(status="inactive")) == 2

    def test_a_row_that_is_late_shows_nothing_that_is_not_so(self, ids: list[str]) -> None:
        WorkflowInstance.objects.filter(status="done").update(status="working")
        assert jobs.get_all_workflows(status="working") == []

    def test_a_row_without_records_is_left_out_and_the_page_is_full(self, ids: list[str]) -> None:
        jobs.storage.delete_instance(ids[0])
        assert [view["id"] for view in jobs.get_all_workflows(limit=2)] == ids[1:3]


class TestRealms:
    def test_are_removed_in_batches(
        self, database: Database, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
    ) -> None:
        monkeypatch.setattr("jobs_flow.destroying.REALM_BATCH", 4)
        for number in range(10):
            jobs.create_workflow_instance("flow_tree", realm="mine" if number else "other")
        deleted: list[str] = []
        jobs.on_delete.connect(lambda id: deleted.append(id))
        with django_assert_max_num_queries(16, connection=connections[database.alias]):
            assert jobs.destroy_workflows_by_realm("mine") == 9
        assert (len(set(deleted)), len(deleted)) == (9, 9)
        assert [row.realm for row in WorkflowInstance.objects.all()] == ["other"]

    def test_rows_that_somebody_left_behind_go_too(self) -> None:
        gone = jobs.create_workflow_instance("flow_tree", realm="mine")
        jobs.storage.delete_instance(gone)
        assert jobs.destroy_workflows_by_realm("mine") == 0
        assert not WorkflowInstance.objects.exists()

    def test_in_a_transaction_all_wait_for_its_commit(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("jobs_flow.destroying.REALM_BATCH", 2)
        for _ in range(5):
            jobs.create_workflow_instance("flow_tree", realm="mine")
        with pytest.raises(Unwell), transaction.atomic(using=database.alias):
            jobs.destroy_workflows_by_realm("mine")
            raise Unwell
        assert len(jobs.get_all_workflows(realm="mine")) == 5
        with transaction.atomic(using=database.alias):
            assert jobs.destroy_workflows_by_realm("mine") == 5
            assert WorkflowInstance.objects.count() == 5
        assert (WorkflowInstance.objects.count(), jobs.storage.list_ids()) == (0, [])
