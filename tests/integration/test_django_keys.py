"""One key, one instance, one execution; on SQLite and MariaDB, under every isolation level."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections, transaction

from jobs_flow.errors import InvalidArgument, StorageUnavailable
from jobs_flow_django import jobs
from jobs_flow_django.models import OutboxEntry, WorkflowInstance
from tests.conftest import Database
from tests.support import flows  # noqa: F401 - registers the workflows
from tests.support.eventually import eventually
from tests.support.processes import Worker

pytestmark = pytest.mark.django_db(transaction=True)

PROCESSES, THREADS = 10, 5


@pytest.fixture(autouse=True)
def sync_jobs(settings: Any, storage_url: str, database: Database) -> None:
    settings.JOBS_FLOW = {"STORAGE": storage_url, "BACKEND": "sync"}


def create(key: str | None, **options: Any) -> str:
    return jobs.create_workflow_instance("flow_tree", key=key, **options)


def elsewhere(database: Database, function: Callable[[], Any]) -> Any:
    """What the function gives, on another connection."""

    def run() -> Any:
        try:
            return function()
        finally:
            connections[database.alias].close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result(30)


def isolate(database: Database, level: str) -> None:
    """Have this thread's connection read at this level."""
    with connections[database.alias].cursor() as cursor:
        cursor.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL {level}")


class TestKeys:
    def test_the_same_one_gives_the_same_instance(self) -> None:
        first = create("order 7", execute=True)
        assert create("order 7", data={"another": 1}, execute=True) == first
        row = WorkflowInstance.objects.get()
        assert (row.pk, row.key, row.run, row.data) == (first, "order 7", 1, None)
        assert not OutboxEntry.objects.exists()

    def test_others_give_others(self) -> None:
        keys = [None, None, "", "a", "A", "ä", "a ", " a", "🌧" * 200, "🌧" * 199]
        keys = [key for key in keys if key != ""]
        ids = [create(key) for key in keys]
        assert len(set(ids)) == len(keys)
        assert [create(key) for key in keys[2:]] == ids[2:]
        assert jobs.create_workflow_instance("flow_wide", {"width": 1}, key="a") not in ids

    def test_too_long_ones_are_refused(self) -> None:
        with pytest.raises(InvalidArgument):
            create("k" * 201)
        assert not WorkflowInstance.objects.exists()

    def test_is_free_again_after_the_instance(self) -> None:
        first = create("k")
        jobs.destroy_workflow(first)
        assert create("k") != first

    def test_a_rollback_frees_it(self, database: Database) -> None:
        with pytest.raises(ZeroDivisionError), transaction.atomic(using=database.alias):
            first = create("k")
            assert create("k") == first
            raise ZeroDivisionError
        assert create("k", execute=True) != first
        assert WorkflowInstance.objects.get().status == "done"

    def test_in_a_transaction_the_caller_goes_on(self, database: Database) -> None:
        first = create("k")
        with transaction.atomic(using=database.alias):
            assert create("k") == first
            other = create("other")
        assert WorkflowInstance.objects.filter(pk=other).exists()

    def test_one_whose_storage_was_away_is_stored_later(self, settings: Any, storage_url: str) -> None:
        settings.JOBS_FLOW = {"STORAGE": "redis://127.0.0.1:1/0", "BACKEND": "sync"}
        with pytest.raises(StorageUnavailable):
            create("k", execute=True)
        row = WorkflowInstance.objects.get()
        settings.JOBS_FLOW = {"STORAGE": storage_url, "BACKEND": "sync"}
        for entry in jobs.index.unfinished(0, 10):
            jobs.perform(entry)
        assert create("k", execute=True) == row.pk
        row.refresh_from_db()
        assert (row.status, row.run) == ("done", 1)

    def test_one_that_only_the_storage_knows(self) -> None:
        first = create("k")
        WorkflowInstance.objects.all().delete()
        assert create("k") == first


@pytest.mark.parametrize("database", ["mysql"], indirect=True)
@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
class TestIsolation:
    @pytest.fixture(autouse=True)
    def isolated(self, database: Database, level: str) -> Any:
        isolate(database, level)
        yield
        connections[database.alias].close()

    def test_what_was_committed_since_is_found(self, database: Database, level: str) -> None:
        with transaction.atomic(using=database.alias):
            if level != "SERIALIZABLE":  # there a read would lock the others out
                assert WorkflowInstance.objects.count() == 0
            first = elsewhere(database, lambda: create("k"))
            assert create("k") == first
            mine = create("mine")
        assert set(WorkflowInstance.objects.values_list("pk", flat=True)) == {first, mine}

    def test_two_who_meet_do_not_lock_each_other_out(self, database: Database, level: str) -> None:
        """Both are refused by the same row, and both then look for it."""
        first = create("k")
        both = threading.Barrier(2, timeout=25)

        def meet() -> str:
            isolate(database, level)
            with transaction.atomic(using=database.alias):
                found = create("k")
                both.wait()
                assert create("k") == found
                both.wait()
                return found

        with ThreadPoolExecutor(2) as pool:
            found = [pool.submit(elsewhere, database, meet) for _ in range(2)]
            assert {each.result(30) for each in found} == {first}


CREATORS = f"""
    import sys, threading, django
    django.setup()
    from django.db import connection, transaction
    from jobs_flow_django import jobs
    print("ready", flush=True)
    sys.stdin.readline()
    ids, gate = [], threading.Barrier({THREADS})
    def create(number):
        gate.wait()
        if number % 2:
            with transaction.atomic():
                ids.append(jobs.create_workflow_instance("behaviour_ok", key="one", execute=True))
        else:
            ids.append(jobs.create_workflow_instance("behaviour_ok", key="one", execute=True))
        connection.close()
    threads = [threading.Thread(target=create, args=(n,)) for n in range({THREADS})]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    print("ids", *ids, flush=True)
"""


class TestManyAtOnce:
    def test_fifty_creators_make_one(self, database: Database, start_worker: Callable[..., Worker]) -> None:
        env = {**os.environ, "DJANGO_SETTINGS_MODULE": "testproject.settings"}
        code = textwrap.dedent(CREATORS)
        started = [
            subprocess.Popen([sys.executable, "-c", code], env=env, stdin=-1, stdout=-1, text=True)
            for _ in range(PROCESSES)
        ]
        try:
            for process in started:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
            for process in started:
                assert process.stdin is not None
                process.stdin.write("go\n")
                process.stdin.flush()
            said = [process.communicate(timeout=90)[0].split() for process in started]
        finally:
            for process in started:
                process.kill()
        ids = [each for words in said for each in words[1:]]
        assert len(ids) == PROCESSES * THREADS
        assert len(set(ids)) == 1
        # Short, for what was left in the outbox; and so long that no task loses its worker while the machine is busy.
        start_worker(pool="solo", env={"JOBS_FLOW_LEASE": "5"})
        eventually(lambda: WorkflowInstance.objects.get().status == "done", 40)
        eventually(lambda: not OutboxEntry.objects.exists(), 40)
        assert jobs.get_workflow(ids[0])["run"] == 1
        assert {record["attempt"] for record in jobs.snapshot(ids[0]).tasks.values()} == {1}
