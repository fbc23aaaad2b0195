"""A server that does what it was asked, and whose answer is lost: nothing happens twice, nothing is missed."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jobs_flow.errors import InstanceExists
from jobs_flow.storages import redis_live
from jobs_flow.storages.base import Storage
from jobs_flow.storages.redis import RedisStorage
from tests.conformance.scenario import Scenario, ok, task
from tests.support.eventually import aeventually
from tests.support.servers import Valkey


class LosingProxy:
    """Passes everything on to the server; when armed, cuts the connection instead of giving the next answer."""

    def __init__(self, port: int) -> None:
        self._server = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._armed = threading.Event()
        self.lost = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_next_answer(self) -> None:
        self._armed.set()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._server)) as server:
            requests = threading.Thread(target=self._pump, args=(client, server, False))
            requests.start()
            self._pump(server, client, True)
            requests.join()

    def _pump(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if answers and self._armed.is_set():
                    self._armed.clear()
                    self.lost += 1
                    break
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(valkey: Valkey) -> Iterator[LosingProxy]:
    proxy = LosingProxy(valkey.port)
    yield proxy
    proxy.close()


@pytest.fixture
def storage(proxy: LosingProxy) -> Iterator[RedisStorage]:
    storage = RedisStorage(f"redis://127.0.0.1:{proxy.port}/0")
    storage.ping()
    yield storage
    storage.close()


def with_a_lost_answer(proxy: LosingProxy, call: Callable[[], Any]) -> Any:
    before = proxy.lost
    proxy.lose_next_answer()
    answer = call()
    assert proxy.lost == before + 1
    return answer


def test_every_transition_is_made_once_and_answered(proxy: LosingProxy, storage: Storage) -> None:
    losing = Scenario(storage, task("warm up"))
    scenario = with_a_lost_answer(proxy, lambda: Scenario(storage, task("a"), task("b"), instance_id="i"))
    with pytest.raises(InstanceExists):
        Scenario(storage, task("a"), instance_id="i")
    assert storage.list_ids() == ["i", losing.id]
    assert with_a_lost_answer(proxy, scenario.start).run == 1
    assert with_a_lost_answer(proxy, lambda: scenario.claim("#.a")).attempt == 1
    say = {"token": "token", "lines": ["once"]}
    assert with_a_lost_answer(proxy, lambda: storage.append_logs("i", "#.a", 1, **say))
    assert with_a_lost_answer(proxy, lambda: storage.set_progress("i", "#.a", 1, token="token", value=0.5, text="x"))
    number = with_a_lost_answer(proxy, lambda: storage.add_event("i", {"error": {}}))
    assert number == 6
    done = with_a_lost_answer(proxy, lambda: scenario.complete("#.a", ok("#.a", 1)))
    assert (done.recorded, done.queued) == (True, ("#.b",))
    scenario.claim("#.b")
    done = with_a_lost_answer(proxy, lambda: scenario.complete("#.b", ok("#.b", 2)))
    assert (done.recorded, done.finished) == (True, "done")
    assert storage.get_logs("i", ["#.a"]) == {"#.a": ["once"]}
    # create, start, claim, log, progress, event, complete, claim, complete
    assert [event.seq for event in storage.events("i", 0) or []] == list(range(1, 10))
    assert storage.snapshot("i").instance.counts["ok"] == 2  # type: ignore[union-attr]


def test_a_run_that_was_started_is_reverted_once(proxy: LosingProxy, storage: Storage) -> None:
    scenario = Scenario(storage, task("a"))
    scenario.start()
    with_a_lost_answer(proxy, lambda: storage.revert_run(scenario.id, 1, {"code": "X", "message": "x"}))
    assert scenario.snapshot.instance.status == "inactive"
    assert len(scenario.events()) == 3


async def test_a_reader_slower_than_its_events_is_told_that_it_missed_some(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_live, "QUEUE_LIMIT", 3)
    storage = RedisStorage(valkey.url)
    subscription = storage.subscribe()
    quiet, busy = Scenario(storage, task("a")), Scenario(storage, task("a"))
    await subscription.add(quiet.id)
    await subscription.add(busy.id)
    while subscription._queue.qsize():
        await subscription.next()
    for _ in range(20):
        storage.add_event(busy.id, {"error": {}})
    # Its own connection delivers in order: when this one is here, the others were.
    storage.add_event(quiet.id, {"error": {}})
    await aeventually(lambda: quiet.id in subscription._missed)
    found = [await subscription.next() for _ in range(5)]
    assert [(i, e.seq if e else None) for i, e in found[:3]] == [(busy.id, n) for n in (2, 3, 4)]
    assert sorted(found[3:]) == sorted([(busy.id, None), (quiet.id, None)])
    await subscription.aclose()
    storage.close()
