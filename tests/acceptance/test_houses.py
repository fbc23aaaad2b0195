"""The heart of it on servers of several kinds: made, run, watched live, resumed, cancelled, and seen in the admin."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.house import House
from tests.support.eventually import eventually
from tests.support.servers import MariaDB, numbered
from tests.support.servers_dynamodb import fresh
from tests.support.servers_rabbitmq import RabbitMQ

#: Where nothing answers: what asks for a Redis all the same fails.
NO_REDIS = "redis://127.0.0.1:1/0"


def redis_and_sqlite(request: pytest.FixtureRequest) -> dict[str, str | None]:
    """As the demo has it, with a storage and a broker apart."""
    url: str = request.getfixturevalue("valkey_url")
    return {
        "CELERY_BROKER_URL": numbered(url, 3),
        "JOBS_FLOW_STORAGE_URL": numbered(url, 4),
        "CHANNEL_REDIS_URL": numbered(url, 5),
        "DATABASE_URL": None,
    }


def rabbitmq_dynamodb_mariadb(request: pytest.FixtureRequest) -> dict[str, str | None]:
    """Without any Redis."""
    mariadb: MariaDB = request.getfixturevalue("mariadb")
    rabbitmq: RabbitMQ = request.getfixturevalue("rabbitmq")
    rabbitmq.delete("celery")
    return {
        "CELERY_BROKER_URL": rabbitmq.url,
        "JOBS_FLOW_STORAGE_URL": fresh(request.getfixturevalue("dynamodb_url")),
        "CHANNEL_REDIS_URL": NO_REDIS,
        "DATABASE_URL": mariadb.create_database("jobs_flow_house"),
    }


HOUSES = (redis_and_sqlite, rabbitmq_dynamodb_mariadb)


@pytest.fixture(scope="module", params=HOUSES, ids=lambda servers: servers.__name__)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House(request.param(request), tmp_path_factory.mktemp("house")) as house:
        yield house


class TestHeart:
    def test_it_is_started_watched_live_and_shown(self, house: House) -> None:
        with house.enter() as visitor:
            id = house.watch(visitor, "parallel")
            visitor.listen(lambda: visitor.watcher.status == "done")
            watcher = visitor.watcher
            assert {record["status"] for record in watcher.statuses.values()} == {"ok"}
            assert watcher.types[1:4] == ["workflowDescription", "setWorkflowStatus", "setTasksStatuses"]
            # Not only at its end.
            assert watcher.types.count("setTasksStatuses") > 3
            assert "&quot;total&quot;: 32" in visitor.page(f"/behaviours/?instance={id}")

    def test_a_failed_one_is_resumed_from_the_task_that_failed(self, house: House) -> None:
        with house.enter() as visitor:
            watcher, id = visitor.watcher, visitor.start("failing")
            visitor.ask("watchWorkflowInstance", workflowId=id)
            visitor.listen(lambda: watcher.status == "failed")
            first = dict(watcher.statuses["#.order"])
            assert visitor.command("resumeWorkflow", workflowId=id, preview=True)["paths"] == ["#.reserve", "#.send"]
            visitor.command("resumeWorkflow", workflowId=id)
            visitor.listen(lambda: watcher.status == "failed" and watcher.instance["run"] == 2)
            assert watcher.statuses["#.order"] == first
            assert {path: record["status"] for path, record in watcher.statuses.items()} == {
                "#.order": "ok",
                "#.reserve": "failed",
                "#.send": "inactive",
            }

    def test_one_that_runs_is_cancelled(self, house: House) -> None:
        with house.enter() as visitor:
            watcher, id = visitor.watcher, house.watch(visitor, "context")
            # Whoever looks late sees the first task at its end, and asks for the end of the second.
            visitor.listen(lambda: watcher.status_of("#.order") in ("running", "ok"))
            visitor.command("cancelWorkflow", workflowId=id)
            if watcher.status != "cancelled":
                visitor.listen(lambda: watcher.status == "cancelled")
            assert watcher.status_of("#.letter") in ("inactive", "cancelled")

    def test_the_admin_shows_the_run_and_the_list_follows(self, house: House) -> None:
        with house.enter() as visitor:
            id = visitor.start("ok")
            visitor.ask("watchWorkflowInstance", workflowId=id)
            visitor.listen(lambda: visitor.watcher.status == "done")
            run = visitor.page(f"/admin/jobs_flow_django/workflowinstance/{id}/change/")
            assert "#.first" in run
            assert "42" in visitor.page(f"/admin/jobs_flow_django/workflowinstance/{id}/change/?task=%23.second")
            done = "/admin/jobs_flow_django/workflowinstance/?status__exact=done"
            assert eventually(lambda: id in visitor.page(done), 60)

    def test_commands_of_manage_py(self, house: House) -> None:
        with house.enter() as visitor:
            id = visitor.start("failing")
            visitor.ask("watchWorkflowInstance", workflowId=id)
            visitor.listen(lambda: visitor.watcher.status == "failed")
            house.manage("jobs_flow_resume", id)
            visitor.listen(lambda: visitor.watcher.instance["run"] == 2 and visitor.watcher.status == "failed")
            house.manage("jobs_flow_destroy", id)
            assert eventually(lambda: id not in visitor.page("/admin/jobs_flow_django/workflowinstance/"), 60)
