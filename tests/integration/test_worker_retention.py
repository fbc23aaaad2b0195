"""A worker removes what was kept for long enough, and nothing else; and what the commands remove."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import redis

from jobs_flow.storages.records import TOMBSTONE_KEPT, Due
from jobs_flow.workflows import retention
from tests.support.eventually import eventually
from tests.support.processes import Worker
from tests.support.servers import Valkey

Start = Callable[..., Worker]

KEEP = 0.5


@pytest.fixture
def short(engine: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The application, which keeps what is over for half a second."""
    monkeypatch.setattr(retention, "SHORTEST_KEEP", 0.0)
    engine.app.conf.jobs_flow_keep = KEEP
    return engine


def keys_of(valkey: Valkey, id: str) -> set[bytes]:
    """Keys of an instance that stay."""
    with redis.Redis(port=valkey.port, db=1) as admin:
        of_it = {key for key in admin.scan_iter() if id.encode() in key}
        fleeting = {key for key in of_it if 0 < admin.pttl(key) <= TOMBSTONE_KEPT}
        return of_it - fleeting


class TestWorker:
    def test_removes_all_of_it_and_touches_nothing_that_is_in_use(
        self, short: ModuleType, start_engine: Start, valkey: Valkey, tmp_path: Path
    ) -> None:
        jobs, gate = short.jobs, tmp_path / "gate"
        start_engine(env={"ENGINE_KEEP": str(KEEP)}, concurrency=2)
        running = jobs.create_workflow_instance("waits", str(gate), execute=True)
        eventually(lambda: jobs.get_task(running, "#.a")["status"] == "running")
        never_ran = jobs.create_workflow_instance("chain", 1)
        data = {"calls": str(tmp_path / "calls"), "failures": 1, "delay": 0}
        over = jobs.create_workflow_instance("flaky", data, key="k", realm="r")
        assert keys_of(valkey, over)
        jobs.execute_all_tasks(over)
        failed = jobs.create_workflow_instance("nested", {"broken": "y"}, execute=True)
        for id in (over, failed):
            eventually(lambda id=id: jobs.storage.get_instance(id) is None, 20)
            assert keys_of(valkey, id) == set()
        assert len((tmp_path / "callsa").read_text().split()) == 2, "there was an earlier attempt too"
        assert jobs.storage.find_key("flaky", "k", realm="r") is None
        assert jobs.storage.list_ids(realm="r") == []
        with redis.Redis(port=valkey.port, db=1) as admin:
            assert admin.zcard("workflowExpiries") == 0
        assert jobs.get_workflow(never_ran)["status"] == "inactive"
        assert jobs.get_workflow(running)["status"] == "working"
        gate.touch()
        eventually(lambda: jobs.storage.get_instance(running) is None, 20)
        assert set(jobs.storage.list_ids()) == {never_ran}


class TestStorage:
    """``prune`` where there are no rows."""

    def finished(self, engine: ModuleType, workflow: str, data: Any = None) -> str:
        """An instance whose run is over, though no worker ran."""
        id: str = engine.jobs.create_workflow_instance(workflow, data, execute=True)
        assert engine.jobs.cancel(id)
        return id

    def test_many_pages_in_redis(self, engine: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("jobs_flow.pruning.PAGE", 4)
        ids = [self.finished(engine, "chain", 1) for _ in range(11)]
        others = [self.finished(engine, "wide", 1) for _ in range(3)]
        waiting = engine.jobs.create_workflow_instance("chain", 1)
        assert engine.jobs.prune(older_than="1h").destroyed == 0
        assert engine.jobs.prune(older_than=0, workflow="chain").by_workflow == {"chain": len(ids)}
        assert set(engine.jobs.storage.list_ids()) == {*others, waiting}

    def test_the_time_is_the_servers(self, short: ModuleType) -> None:
        id = self.finished(short, "chain", 1)
        eventually(lambda: short.jobs.prune(dry_run=True).destroyed)
        short.jobs.storage.settle(Due("ended", id, "#", 1, None, "1 cancelled"))
        eventually(short.jobs.recover)
        assert short.jobs.storage.get_instance(id) is None
