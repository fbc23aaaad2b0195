"""The queries of the instance model, and what the databases make of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import connections
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from django.test.utils import CaptureQueriesContext

from jobs_flow.ids import new_instance_id
from jobs_flow_django.models import Status, WorkflowInstance
from jobs_flow_django.paging import page
from tests.conftest import Database


def make(**fields: Any) -> WorkflowInstance:
    values = {"id": new_instance_id(), "workflow": "w", "fingerprint": "f", **fields}
    row: WorkflowInstance = WorkflowInstance.objects.create(**values)
    return row


class TestMigrations:
    def test_say_all_that_the_models_say(self) -> None:
        loader = MigrationLoader(None)
        detector = MigrationAutodetector(loader.project_state(), ProjectState.from_apps(apps))
        assert "jobs_flow_django" not in detector.changes(graph=loader.graph)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("database")
class TestQueries:
    def test_newest_first(self) -> None:
        ids = [f"0000000{n}-0000-7000-8000-000000000000" for n in (2, 1, 3)]
        for instance_id in ids:
            make(id=instance_id)
        assert [row.pk for row in WorkflowInstance.objects.all()] == sorted(ids, reverse=True)

    def test_by_status(self) -> None:
        rows = {status: make(status=status) for status in Status}
        objects = WorkflowInstance.objects
        assert set(objects.finished()) == {rows[Status.DONE], rows[Status.FAILED], rows[Status.CANCELLED]}
        assert set(objects.unfinished()) == {rows[Status.INACTIVE], rows[Status.WORKING]}
        assert list(objects.with_status("failed")) == [rows[Status.FAILED]]
        assert {status for status in Status if rows[status].is_finished} == {"done", "failed", "cancelled"}

    def test_by_workflow_realm_and_owner(self, django_user_model: Any) -> None:
        ada = django_user_model.objects.create_user("ada")
        mine = make(workflow="mine", realm="r1", owner=ada)
        make(workflow="other", realm="r2")
        objects = WorkflowInstance.objects
        assert [objects.of_workflow("mine").get(), objects.in_realm("r1").get(), objects.owned_by(ada).get()] == [
            mine
        ] * 3
        assert not objects.owned_by(None).exists()

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            pytest.param("01a2", {"a", "b"}, id="ids"),
            pytest.param("01a2-3", {"b"}, id="one id"),
            pytest.param(" RAIN ", {"a", "c"}, id="names, in any case"),
            pytest.param("ra_n", {"d"}, id="underscore means itself"),
            pytest.param("%", set(), id="so does percent"),
            pytest.param("'; drop table", set(), id="quotes"),
            pytest.param("ain", set(), id="not the middle"),
            pytest.param("", {"a", "b", "c", "d"}, id="nothing"),
        ],
    )
    def test_search_by_the_beginning(self, text: str, found: set[str]) -> None:
        rows = {
            "a": make(id="01a2-2", name="Rain in May"),
            "b": make(id="01a2-3", name="Sun"),
            "c": make(id="02ff-4", name="rainbow"),
            "d": make(id="03ff-5", name="ra_n"),
        }
        assert {key for key, row in rows.items() if row in WorkflowInstance.objects.matching(text)} == found

    def test_without_payload_leaves_it_in_the_database(
        self, database: Database, django_assert_num_queries: Any
    ) -> None:
        make(data={"large": 1})
        with django_assert_num_queries(1, connection=connections[database.alias]):
            row = WorkflowInstance.objects.without_payload().get()
        assert row.get_deferred_fields() == {"data", "base_context"}
        assert row.data == {"large": 1}


@pytest.mark.django_db(transaction=True)
class TestIndexes:
    @pytest.mark.parametrize("database", ["mysql"], indirect=True)
    @pytest.mark.parametrize(
        ("filters", "index"),
        [
            ({}, "PRIMARY"),
            ({"status": "working"}, "jobs_flow_by_status"),
            ({"workflow": "w7"}, "jobs_flow_"),
            ({"realm": "r7"}, "jobs_flow_by_realm"),
            ({"status": "working", "realm": "r7", "workflow": "w7"}, "jobs_flow_by_"),
            ({"name__istartswith": "name 77"}, "jobs_flow_by_name"),
            ({"name__istartswith": "name 77", "status": "done"}, "jobs_flow_by_name"),
            ({"id__istartswith": "0000077"}, "PRIMARY"),
        ],
    )
    @pytest.mark.parametrize("mark", [None, "0001000"])
    def test_mariadb_reads_a_page_from_one_index(
        self, database: Database, filters: dict[str, Any], index: str, mark: str | None
    ) -> None:
        WorkflowInstance.objects.bulk_create(
            WorkflowInstance(
                id=f"{n:07}",
                workflow=f"w{n % 50}",
                realm=f"r{n % 50}",
                name=f"name {n}",
                status="working" if n % 50 == 0 else "done",
                fingerprint="f",
            )
            for n in range(2000)
        )
        connection = connections[database.alias]
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE TABLE jobs_flow_instance")
        with CaptureQueriesContext(connection) as queries:
            found = page(WorkflowInstance.objects.filter(**filters), limit=50, mark=mark)
        assert found == sorted(found, reverse=True)
        (query,) = queries.captured_queries
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {query['sql']}")
            ((*_, key, _length, _ref, _rows, extra),) = cursor.fetchall()
        # Of a few rows it may sort what another index gives; it reads none of the rows themselves.
        assert str(key).startswith(index)
        assert index == "PRIMARY" or "Using index" in extra
        assert "index condition" not in extra

    @pytest.mark.parametrize("database", ["mysql"], indirect=True)
    def test_the_table_takes_any_character(self, database: Database) -> None:
        with connections[database.alias].cursor() as cursor:
            cursor.execute("SHOW CREATE TABLE jobs_flow_instance")
            assert "utf8mb4" in cursor.fetchone()[1]


class TestDuration:
    START = datetime(2026, 1, 1, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("status", "started", "finished", "duration"),
        [
            pytest.param("inactive", None, None, None, id="never ran"),
            pytest.param("done", START, START + timedelta(seconds=3), timedelta(seconds=3), id="finished"),
            pytest.param("done", START, START - timedelta(seconds=1), timedelta(0), id="clocks differ"),
            pytest.param("inactive", START, None, None, id="reverted"),
        ],
    )
    def test_of_the_latest_run(
        self, status: str, started: datetime | None, finished: datetime | None, duration: timedelta | None
    ) -> None:
        assert WorkflowInstance(status=status, started_at=started, finished_at=finished).duration == duration

    def test_of_one_at_work(self) -> None:
        begun = datetime.now(UTC) - timedelta(minutes=1)
        duration = WorkflowInstance(status="working", started_at=begun).duration
        assert duration is not None
        assert timedelta(seconds=60) <= duration < timedelta(seconds=90)


class TestNames:
    def test_an_instance_is_called_by_its_name(self) -> None:
        assert str(WorkflowInstance(id="0123456789", workflow="w", name="Rain")) == "Rain"
        assert str(WorkflowInstance(id="0123456789", workflow="w")) == "w 23456789"
