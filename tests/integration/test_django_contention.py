"""Rows under concurrent writers: real deadlocks, killed connections, states that arrive out of order."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pymysql
import pytest
from django.db import InterfaceError, OperationalError, connections, transaction

from jobs_flow.storages.records import NewInstance
from jobs_flow_django import database as database_module
from jobs_flow_django import jobs
from jobs_flow_django.database import is_passing, persist
from jobs_flow_django.index import DjangoIndex
from jobs_flow_django.models import OutboxEntry, WorkflowInstance
from testproject import environment
from tests.conftest import Database
from tests.integration.test_django_rows import header
from tests.support import flows  # noqa: F401 - registers the workflows
from tests.support.eventually import eventually

pytestmark = pytest.mark.django_db(transaction=True)

on_mariadb = pytest.mark.parametrize("database", ["mysql"], indirect=True)


@pytest.fixture(autouse=True)
def sync_jobs(settings: Any, storage_url: str, database: Database) -> None:
    settings.JOBS_FLOW = {"STORAGE": storage_url, "BACKEND": "sync"}


@pytest.fixture
def other(database: Database) -> Iterator[Any]:
    """A second client of the same database, in a transaction of its own."""
    found = environment.database(database.url)
    connection = pymysql.connect(
        host=found["HOST"], port=found["PORT"], user=found["USER"], password=found["PASSWORD"], database=found["NAME"]
    )
    yield connection
    connection.close()


def make(*ids: str, **fields: Any) -> None:
    WorkflowInstance.objects.bulk_create(
        WorkflowInstance(**{"id": each, "workflow": "w", "fingerprint": "f", **fields}) for each in ids
    )


def in_threads(*functions: Callable[[], Any]) -> None:
    """Run all at once, each on a connection of its own; raises what one of them raised."""
    errors: list[BaseException] = []

    def run(function: Callable[[], Any]) -> None:
        try:
            function()
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[function]) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if errors:
        raise errors[0]


class TestDeadlocks:
    @on_mariadb
    def test_the_loser_of_a_real_one_tries_again(self, database: Database, other: Any) -> None:
        make(*"abcde")
        tried: list[bool] = []
        has_first = threading.Event()

        def write(again: bool) -> None:
            tried.append(again)
            rows = WorkflowInstance.objects.using(database.alias)
            with transaction.atomic(using=database.alias):
                rows.filter(pk="a").update(name="mine")
                if not again:
                    has_first.set()
                    # The server looks again after a tenth of a second only.
                    eventually(lambda: waits_for_lock(database), 30, interval=0.15)
                rows.filter(pk="b").update(name="mine")

        with other.cursor() as cursor:
            # One by one, for it to lock no other; so many, because the one that has changed less is the one to lose.
            for each in "bcde":
                cursor.execute("UPDATE jobs_flow_instance SET run = 7 WHERE id = %s", [each])

        def cross() -> None:
            has_first.wait(30)
            with other.cursor() as cursor:
                cursor.execute("UPDATE jobs_flow_instance SET run = 7 WHERE id = 'a'")
            other.commit()

        in_threads(cross, lambda: persist(database.alias, write))
        assert tried == [False, True]
        assert list(WorkflowInstance.objects.filter(pk__in="ab").values_list("name", "run")) == [("mine", 7)] * 2

    @on_mariadb
    def test_a_lock_that_is_waited_for_too_long(self, database: Database, other: Any) -> None:
        make("an-instance")
        with connections[database.alias].cursor() as cursor:
            cursor.execute("SET SESSION innodb_lock_wait_timeout = 1")
        with other.cursor() as cursor:
            cursor.execute("UPDATE jobs_flow_instance SET name = 'held' WHERE id = 'an-instance'")
        refused: list[int] = []

        def let_go(execute: Any, *words: Any) -> Any:
            try:
                return execute(*words)
            except OperationalError as error:
                refused.append(error.args[0])
                other.commit()
                raise

        with connections[database.alias].execute_wrapper(let_go):
            DjangoIndex().changed(header(1, "done", 5, 2_000_000_000_000))
        assert refused == [1205]
        with connections[database.alias].cursor() as cursor:
            cursor.execute("SET SESSION innodb_lock_wait_timeout = 50")
        row = WorkflowInstance.objects.get()
        assert (row.status, row.name) == ("done", "")

    @on_mariadb
    def test_inside_a_transaction_it_is_its_owners(self, database: Database) -> None:
        calls: list[bool] = []

        def write(again: bool) -> None:
            calls.append(again)
            raise OperationalError(1213, "Deadlock found")

        with pytest.raises(OperationalError), transaction.atomic(using=database.alias):
            persist(database.alias, write)
        connection = connections[database.alias]
        connection.set_autocommit(False)
        try:
            with pytest.raises(OperationalError):
                persist(database.alias, write)
        finally:
            connection.rollback()
            connection.set_autocommit(True)
        assert calls == [False, False]


def waits_for_lock(database: Database) -> bool:
    found = environment.database(database.url)
    with (
        pymysql.connect(host=found["HOST"], port=found["PORT"], user=found["USER"]) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'")
        return bool(cursor.fetchone()[0])


class TestWhichErrors:
    @pytest.mark.parametrize(
        ("error", "vendor", "passing"),
        [
            pytest.param(OperationalError(1213, "Deadlock found"), "mysql", True, id="deadlock"),
            pytest.param(OperationalError(1205, "Lock wait timeout"), "mysql", True, id="lock wait"),
            pytest.param(OperationalError(2006, "gone away"), "mysql", True, id="gone away"),
            pytest.param(OperationalError(2013, "Lost connection"), "mysql", True, id="lost"),
            pytest.param(OperationalError(1927, "Connection was killed"), "mysql", True, id="killed"),
            pytest.param(InterfaceError(0, ""), "mysql", True, id="closed by PyMySQL"),
            pytest.param(OperationalError(1045, "Access denied"), "mysql", False, id="denied"),
            pytest.param(OperationalError(1054, "Unknown column"), "mysql", False, id="not migrated"),
            pytest.param(OperationalError("database is locked"), "sqlite", True, id="locked"),
            pytest.param(OperationalError("no such table: jobs_flow_instance"), "sqlite", False, id="no table"),
            pytest.param(OperationalError("could not serialize access"), "postgresql", True, id="others"),
        ],
    )
    def test_are_worth_another_attempt(self, error: OperationalError, vendor: str, passing: bool) -> None:
        assert is_passing(error, vendor) is passing

    def test_one_that_stays_is_raised_at_once(self, database: Database) -> None:
        calls: list[bool] = []

        def write(again: bool) -> None:
            calls.append(again)
            raise OperationalError(1045, "Access denied")

        with pytest.raises(OperationalError):
            persist(database.alias, write)
        assert calls == [False]


class TestLostConnections:
    @on_mariadb
    @pytest.mark.parametrize("again", [1, 2])
    def test_killed_in_the_middle_of_a_write(self, database: Database, again: int) -> None:
        """After the row was written and before its transaction was committed."""
        kills = [again]
        connection = connections[database.alias]

        def kill(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            result = execute(sql, params, many, context)
            if kills[0] and sql.startswith("INSERT") and "jobs_flow_instance" in sql:
                kills[0] -= 1
                kill_connection(database, connection.connection.thread_id())
            return result

        with connection.execute_wrapper(kill):
            instance_id = jobs.create_workflow_instance("flow_tree", execute=True)
        row = WorkflowInstance.objects.get()
        assert (row.pk, row.status, OutboxEntry.objects.count()) == (instance_id, "done", 0)

    @on_mariadb
    def test_in_the_callers_transaction_nothing_is_done_twice(self, database: Database) -> None:
        connection = connections[database.alias]
        with pytest.raises((OperationalError, InterfaceError)), transaction.atomic(using=database.alias):
            jobs.create_workflow_instance("flow_tree", name="lost with the connection")
            kill_connection(database, connection.connection.thread_id())
            jobs.create_workflow_instance("flow_tree", name="must not be written alone")
        connection.close()
        assert not WorkflowInstance.objects.exists()

    @on_mariadb
    def test_with_pymysql(self, database: Database) -> None:
        """The other driver, in a process of its own: it would connect again by itself, without the settings."""
        script = f"""
            import sys
            sys.modules["MySQLdb"] = None
            import django; django.setup()
            from django.db import connection
            import pymysql
            from jobs_flow_django.index import DjangoIndex
            from jobs_flow_django.models import WorkflowInstance
            from tests.integration.test_django_rows import header
            from testproject import environment
            WorkflowInstance.objects.create(id="an-instance", workflow="w", fingerprint="f")
            assert isinstance(connection.connection, pymysql.connections.Connection)
            found = environment.database({database.url!r})
            other = pymysql.connect(host=found["HOST"], port=found["PORT"], user=found["USER"])
            other.cursor().execute(f"KILL {{connection.connection.thread_id()}}")
            DjangoIndex().changed(header(1, "done", 5, 2_000_000_000_000))
            cursor = connection.cursor()
            cursor.execute("SELECT @@tx_isolation")
            print(WorkflowInstance.objects.get().status, cursor.fetchone()[0])
        """
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script)],
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "testproject.settings"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.split() == ["done", "READ-COMMITTED"], done.stderr


def kill_connection(database: Database, number: int) -> None:
    found = environment.database(database.url)
    with (
        pymysql.connect(host=found["HOST"], port=found["PORT"], user=found["USER"]) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"KILL {number}")


class TestConcurrentWorkers:
    WRITERS = 4

    def test_many_who_mirror_the_same_rows_leave_the_newest_states(self, database: Database) -> None:
        ids = [f"instance-{number}" for number in range(5)]
        make(*ids)
        states = [
            header(run, "working" if run < 12 else "done", 2 * run, 2_000_000_000_000 + run) for run in range(1, 13)
        ]

        def mirror(seed: int) -> Callable[[], None]:
            chance = random.Random(seed)
            # Each state is seen by two of them, in any order.
            mine = [(each, state) for each in ids for number, state in enumerate(states) if (number + seed) % 2]
            chance.shuffle(mine)

            def run() -> None:
                for each, state in mine:
                    fields = {name: getattr(state, name) for name in state.__slots__}
                    DjangoIndex().changed(type(state)(**{**fields, "id": each}))

            return run

        in_threads(*(mirror(seed) for seed in range(self.WRITERS)))
        found = WorkflowInstance.objects.values_list("pk", "run", "status", "seq").order_by("pk")
        assert list(found) == [(each, 12, "done", 24) for each in ids]

    def test_batches_of_the_same_rows_are_removed_once_and_by_anybody(self, database: Database) -> None:
        ids = [f"instance-{number:03}" for number in range(120)]
        make(*ids, realm="r")
        new = [
            NewInstance(id=f"other-{n}", workflow="w", data=1, base_context={}, fingerprint="f", tree=(), paths=())
            for n in range(20)
        ]

        def remove(order: list[str]) -> Callable[[], None]:
            def run() -> None:
                for start in range(0, 120, 30):
                    DjangoIndex().deleted_together(order[start : start + 30])

            return run

        def create() -> None:
            for each in new:
                DjangoIndex().created(each)

        in_threads(remove(ids), remove(ids[::-1]), create)
        assert set(WorkflowInstance.objects.values_list("pk", flat=True)) == {each.id for each in new}
        assert OutboxEntry.objects.count() == len(new)

    def test_attempts_are_bounded(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(database_module, "FIRST_PAUSE", 0)
        calls: list[bool] = []

        def write(again: bool) -> None:
            calls.append(again)
            raise OperationalError(1213, "Deadlock found")

        with pytest.raises(OperationalError):
            persist(database.alias, write)
        assert calls == [False, *[True] * (database_module.ATTEMPTS - 1)]
