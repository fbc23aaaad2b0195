"""Large values: what is kept beside a record, what is loaded of it, and what is left when something goes wrong."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs_flow import Failure, Jobs, Registry, Task
from jobs_flow.backends import SyncBackend, step, undo
from jobs_flow.backends.celery.deaths import Death, see_to
from jobs_flow.backends.policy import Policy
from jobs_flow.backends.step import run_step
from jobs_flow.errors import BodyLost, ConfigurationError, InstanceNotFound, StorageUnavailable, TooLarge
from jobs_flow.recovery import Recovery
from jobs_flow.storages import MemoryStorage
from jobs_flow.storages.bodies import (
    CLOSING,
    LEAST_THRESHOLD,
    SHARED,
    Bodies,
    BodyLimits,
    Reference,
    check_size,
    is_reference,
    size_of,
)
from jobs_flow.storages.body_cache import TextCache
from jobs_flow.storages.body_stores import DirectoryStore
from jobs_flow.storages.contract_bodies import CHUNK_BYTES
from jobs_flow.storages.records import Flow, Input, NewInstance, Outcome, RunSelection

LIMITS = BodyLimits(threshold=10_000, limit=1_000_000)
LONG = json.dumps("ü" * 20_000, ensure_ascii=False)


def directory(path: Path) -> DirectoryStore:
    """A store in a directory that is there."""
    path.mkdir(exist_ok=True)
    return DirectoryStore(path)


def make_storage(*ids: str) -> MemoryStorage:
    storage = MemoryStorage()
    for id in ids or ("id",):
        storage.create_instance(NewInstance(id, "w", None, {}, "", [], ["#.a", "#.b"]))
    return storage


def make_bodies(storage: MemoryStorage, store: Any = None, limits: BodyLimits = LIMITS) -> Bodies:
    return Bodies(lambda: storage, lambda: limits, lambda: store)


def keep_one(bodies: Bodies, text: str = LONG, run: int = 1, path: str = "#.a", id: str = "id") -> Reference:
    kept, new = bodies.keep(id, run, path, {"body": text})
    assert kept == {"body": new[0]}
    return Reference.parse(new[0])


class TestReference:
    @given(st.integers(0, 2**60), st.text(), st.text())
    def test_text_and_back(self, length: int, name: str, at: str) -> None:
        reference = Reference(length, "0" * 64, name, at)
        for text in (reference.text, reference.text.encode("utf-8", "surrogatepass")):
            assert is_reference(text)
            assert Reference.parse(text) == reference
        assert size_of(reference.text) == length

    @given(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=3))
    def test_json_is_never_taken_for_one(self, value: Any) -> None:
        for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
            assert not is_reference(text)
        assert not is_reference(None)

    def test_the_length_comes_first(self) -> None:
        # Scripts find it by this, without reading JSON.
        assert Reference(7, "a", '"length":9', "b").text.startswith('\x01{"length":7,')

    @given(st.text(max_size=50), st.integers(0, 60))
    def test_sizes_are_bytes(self, text: str, limit: int) -> None:
        size = len(text.encode("utf-8", "surrogatepass"))
        text = text.encode("utf-8", "replace").decode()
        size = len(text.encode())
        if size > limit and not is_reference(text):
            with pytest.raises(TooLarge, match=f"here is {size} bytes of JSON, over the limit of {limit}"):
                check_size("here", text, limit)
        elif not is_reference(text):
            check_size("here", text, limit)


class TestKeep:
    def test_short_texts_stay_and_nothing_is_asked(self) -> None:
        texts = {"body": '"short"', "argument": None, "context": "{}"}
        bodies = Bodies(lambda: pytest.fail("the storage was asked"), lambda: LIMITS)
        assert bodies.keep("id", 1, "#.a", texts) == (texts, [])

    def test_a_long_text_is_kept_in_chunks_with_length_and_hash(self) -> None:
        storage = make_storage()
        bodies = make_bodies(storage, limits=BodyLimits(10_000, 10**9))
        text = json.dumps("☂" * CHUNK_BYTES, ensure_ascii=False)
        reference = keep_one(bodies, text)
        data = text.encode()
        assert (reference.length, reference.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert (reference.at, storage.list_bodies("id")) == ("storage", [reference.name])
        chunks = [storage.read_chunk("id", reference.name, number) or b"" for number in range(5)]
        assert b"".join(chunks) == data
        assert [len(chunk) for chunk in chunks[:3]] == [CHUNK_BYTES] * 3
        assert make_bodies(storage).load("id", reference.text) == text

    @settings(max_examples=60, deadline=None)
    @given(
        st.dictionaries(
            st.sampled_from(["body", "argument", "context", "updaters"]),
            st.none() | st.builds(lambda n, c: json.dumps(c * n, ensure_ascii=False), st.integers(0, 9_000), st.text()),
        ),
        st.integers(0, 12_000),
    )
    def test_what_stays_in_the_record_is_within_the_threshold(self, texts: dict[str, Any], spent: int) -> None:
        texts = {name: text and text[:20_000] for name, text in texts.items()}
        storage = make_storage()
        bodies = make_bodies(storage)
        kept, new = bodies.keep("id", 1, "#.a", texts, spent=spent)
        staying = [size_of(text) for text in kept.values() if text is not None and not is_reference(text)]
        assert spent + sum(staying) <= LIMITS.threshold or max(staying, default=0) <= LEAST_THRESHOLD
        assert {name: None if text is None else bodies.load("id", text) for name, text in kept.items()} == texts
        assert set(new) == {text for text in kept.values() if is_reference(text)}
        assert sorted(storage.list_bodies("id")) == sorted(Reference.parse(text).name for text in new)
        gone = [text for name, text in texts.items() if is_reference(kept[name])]
        assert all(size_of(text) >= max(staying, default=0) for text in gone), "the longest go first"

    def test_the_same_text_is_kept_once(self) -> None:
        storage = make_storage()
        kept, new = make_bodies(storage).keep("id", 1, "#.a", {"body": LONG, "argument": LONG})
        assert kept["body"] == kept["argument"] == new[0]
        assert len(storage.list_bodies("id")) == 1

    def test_a_reference_stays_as_it_is(self) -> None:
        bodies = make_bodies(make_storage())
        text = keep_one(bodies).text
        assert bodies.keep("id", 1, "#.a", {"body": text, "argument": "1" * 20_000})[0]["body"] == text

    def test_over_the_hard_limit_nothing_is_kept(self) -> None:
        storage = make_storage()
        with pytest.raises(TooLarge) as caught:
            make_bodies(storage).keep("id", 1, "#.a", {"argument": LONG, "body": '"' + "x" * LIMITS.limit + '"'})
        assert "the result is 1000002 bytes of JSON, over the limit of 1000000" in caught.value.message
        assert storage.list_bodies("id") == []

    def test_of_an_instance_that_is_gone(self) -> None:
        with pytest.raises(InstanceNotFound):
            keep_one(make_bodies(make_storage()), id="nobody")

    def test_what_was_begun_is_removed_when_it_cannot_be_finished(self) -> None:
        class Full(MemoryStorage):
            def write_chunk(self, instance_id: str, name: str, number: int, data: bytes) -> None:
                if len(self.list_bodies(instance_id)) > 1:
                    raise StorageUnavailable(storage="memory", reason="full")
                super().write_chunk(instance_id, name, number, data)

        storage = Full()
        storage.create_instance(NewInstance("id", "w", None, {}, "", [], ["#.a"]))
        with pytest.raises(StorageUnavailable):
            make_bodies(storage).keep("id", 1, "#.a", {"body": LONG, "argument": "1" * 50_000})
        assert storage.list_bodies("id") == []


class TestLoad:
    def test_json_is_given_as_it_is(self) -> None:
        bodies = Bodies(lambda: pytest.fail("the storage was asked"))
        assert bodies.load("id", '{"a": 1}') == '{"a": 1}'
        assert bodies.value("id", {"a": 1}) == {"a": 1}
        given = {"#.a": Input("ok", "#.a", 1, None), "#.b": Input("ok", "#.b", 1, "1")}
        assert bodies.inputs("id", given) == given

    @pytest.mark.parametrize(
        ("damage", "said"),
        [
            pytest.param(lambda s, n: s.remove_bodies("id", [n]), "0 bytes of", id="gone"),
            pytest.param(lambda s, n: s.write_chunk("id", n, 0, b"short"), "5 bytes of 40002", id="short"),
            pytest.param(lambda s, n: s.write_chunk("id", n, 0, b"x" * 40_002), "have changed", id="other bytes"),
        ],
    )
    def test_a_lost_or_damaged_body_has_an_error_of_its_own(self, damage: Any, said: str) -> None:
        storage = make_storage()
        reference = keep_one(make_bodies(storage))
        damage(storage, reference.name)
        with pytest.raises(BodyLost, match=said) as caught:
            make_bodies(storage).load("id", reference.text)
        assert caught.value.code == "BODY_LOST"

    def test_what_is_kept_elsewhere_is_not_looked_for_here(self, tmp_path: Path) -> None:
        storage = make_storage()
        reference = keep_one(make_bodies(storage, directory(tmp_path / "one")))
        for store, said in ((None, "no external store is configured"), (directory(tmp_path / "two"), "two")):
            with pytest.raises(BodyLost, match=said):
                make_bodies(storage, store).load("id", reference.text)

    @pytest.mark.parametrize("name", ["../secret", "1.0123456789abcdef.body.ff.x/../../secret", ""])
    def test_a_name_that_is_none_of_ours_is_not_looked_for(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "secret").write_text('"x"')
        store = directory(tmp_path / "bodies")
        reference = Reference(3, hashlib.sha256(b'"x"').hexdigest(), name, store.label)
        bodies = make_bodies(make_storage(), store)
        for read in (lambda: bodies.read("id", reference), lambda: bodies.beginning("id", reference, 9)):
            with pytest.raises(BodyLost, match="under this name"):
                read()

    def test_the_beginning_is_read_alone(self) -> None:
        storage = make_storage()
        text = json.dumps("é" * CHUNK_BYTES, ensure_ascii=False)
        bodies = make_bodies(storage, limits=BodyLimits(10_000, 10**9))
        reference = keep_one(bodies, text)
        storage.write_chunk("id", reference.name, 1, b"never read")
        assert make_bodies(storage).beginning("id", reference, 1_000) == text[:1_000]

    def test_read_once_by_all_that_want_it(self) -> None:
        class Counting(MemoryStorage):
            reads = 0

            def read_chunk(self, *args: Any) -> bytes | None:
                self.reads += 1
                return super().read_chunk(*args)

        storage = Counting()
        storage.create_instance(NewInstance("id", "w", None, {}, "", [], ["#.a"]))
        bodies = make_bodies(storage)
        reference = keep_one(bodies)
        assert {bodies.load("id", reference.text) for _ in range(10)} == {LONG}
        assert storage.reads == 1


class TestCache:
    @given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 400)), max_size=60))
    def test_the_latest_texts_that_fit(self, puts: list[tuple[int, int]]) -> None:
        cache, latest = TextCache(1_000), dict[int, str]()
        for key, length in puts:
            text = f"{key}" * length
            cache.put(key, text)
            if sys.getsizeof(text) <= 1_000:
                latest[key] = text
                assert cache.get(key) == text
            known = {key: found for key in range(10) if (found := cache.get(key)) is not None}
            assert known.items() <= latest.items()
            assert sum(map(sys.getsizeof, known.values())) <= 1_000

    def test_one_that_does_not_fit_is_not_kept(self) -> None:
        cache = TextCache(1_000)
        cache.put("a", "x" * 100)
        cache.put("b", "x" * 1_000)
        assert (cache.get("b"), cache.get("a")) == (None, "x" * 100)

    def test_a_forked_child_does_not_wait_for_a_thread_of_its_parent(self) -> None:
        cache = TextCache(1_000)
        with cache._lock:
            child = os.fork()
            if child == 0:
                cache.put("a", "b")
                os._exit(0 if cache.get("a") == "b" else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    def test_threads(self) -> None:
        storage = make_storage()
        bodies = make_bodies(storage)
        texts = [keep_one(bodies, json.dumps(str(number) * 20_000)).text for number in range(8)]
        found: list[set[str]] = []
        threads = [
            threading.Thread(target=lambda: found.append({bodies.load("id", text)[1] for text in texts}))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert found == [set("01234567")] * 8


@pytest.fixture(params=["storage", "directory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> DirectoryStore | None:
    return directory(tmp_path / "bodies") if request.param == "directory" else None


def files(tmp_path: Path) -> list[str]:
    return sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())


class TestRemoval:
    def test_drop(self, store: DirectoryStore | None, tmp_path: Path) -> None:
        storage = make_storage()
        bodies = make_bodies(storage, store)
        one, two = keep_one(bodies), keep_one(bodies)
        bodies.drop("id", [one.text, None, "[]"])
        assert storage.list_bodies("id") == [two.name]
        assert bodies.load("id", two.text) == LONG
        assert files(tmp_path) == ([] if store is None else [f"bodies/id/{two.name}"])

    def test_a_new_run_removes_what_earlier_ones_kept_of_its_paths(
        self, store: DirectoryStore | None, tmp_path: Path
    ) -> None:
        storage = make_storage()
        bodies = make_bodies(storage, store)
        kept = {
            (run, path): keep_one(bodies, run=run, path=path).name
            for run in (1, 2, 10)
            for path in ("#.a", "#.b", "#.a.b", SHARED)
        }
        bodies.tidy("id", 10, ["#.a", "#.a.b"])
        left = {place for place, name in kept.items() if name in storage.list_bodies("id")}
        assert left == {place for place in kept if place[0] == 10 or place[1] in ("#.b", SHARED)}
        assert len(files(tmp_path)) == (0 if store is None else len(left))

    def test_paths_that_are_no_more(self) -> None:
        storage = make_storage()
        bodies = make_bodies(storage)
        kept = {path: keep_one(bodies, path=path).name for path in ("#.a", "#.b", SHARED)}
        later = keep_one(bodies, run=2).name
        bodies.tidy_others("id", 1, ["#.b", "#.c"])
        # Another update has brought #.a back meanwhile, and a run has executed it.
        assert set(storage.list_bodies("id")) == {kept["#.b"], kept[SHARED], later}

    def test_nothing_of_it_raises(self) -> None:
        class Away(MemoryStorage):
            def list_bodies(self, instance_id: str) -> list[str]:
                raise StorageUnavailable(storage="memory", reason="away")

            def remove_bodies(self, *args: Any) -> None:
                raise StorageUnavailable(storage="memory", reason="away")

        bodies = make_bodies(Away())
        bodies.tidy("id", 2, ["#.a"])
        bodies.drop("id", [Reference(1, "", "1.0123456789abcdef.body.ff.s").text])


class TestForget:
    def test_what_an_external_store_has_goes_before_the_instance(self, tmp_path: Path) -> None:
        storage, store = make_storage("id", "other"), DirectoryStore(tmp_path)
        bodies = make_bodies(storage, store)
        keep_one(bodies)
        other = keep_one(bodies, id="other")
        bodies.forget("id")
        assert files(tmp_path) == [f"other/{other.name}"]
        # A crash here leaves an instance that is destroyed again.
        bodies.forget("id")
        assert storage.delete_instance("id")
        bodies.forget("id")
        assert not (tmp_path / "id").exists()

    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("deleted", [True, False])
    def test_somebody_who_writes_at_the_same_time_leaves_nothing(
        self, tmp_path: Path, when: str, deleted: bool
    ) -> None:
        storage = make_storage()

        class Slow(DirectoryStore):
            def write(self, name: str, chunks: Iterable[bytes]) -> None:
                if when == "after":
                    super().write(name, chunks)
                destroyer.forget("id")
                if deleted:
                    storage.delete_instance("id")
                if when == "before":
                    super().write(name, chunks)

        destroyer = make_bodies(storage, DirectoryStore(tmp_path))
        with pytest.raises(InstanceNotFound if deleted else BodyLost):
            keep_one(make_bodies(storage, Slow(tmp_path)))
        assert files(tmp_path) == []
        assert storage.list_bodies("id") == ([] if deleted else [CLOSING])

    def test_somebody_who_died_while_writing_is_known(self, tmp_path: Path) -> None:
        storage = make_storage()

        class Dying(DirectoryStore):
            def write(self, name: str, chunks: Iterable[bytes]) -> None:
                super().write(name, chunks)
                self._paths(name)[1].write_bytes(b"half")
                raise SystemExit

        with pytest.raises(SystemExit):
            keep_one(make_bodies(storage, Dying(tmp_path)))
        assert len(files(tmp_path)) == 2
        make_bodies(storage, DirectoryStore(tmp_path)).forget("id")
        assert not (tmp_path / "id").exists()

    def test_without_the_store_it_is_said_what_stays(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        storage = make_storage()
        keep_one(make_bodies(storage, DirectoryStore(tmp_path)))
        make_bodies(storage).forget("id")
        assert "its 1 values in an external store: none is configured here" in caplog.text


class Small(SyncBackend):
    """A backend for which little is much."""

    policy = Policy(bodies=LIMITS)


@pytest.fixture
def jobs(store: DirectoryStore | None) -> Jobs:
    return Jobs(storage=MemoryStorage(), backend=Small(), registry=Registry(), bodies=store)


def run(jobs: Jobs, *tasks: Any, **options: Any) -> str:
    jobs.register_workflow("w", list(tasks))
    return jobs.create_workflow_instance("w", execute=True, **options)


NOTHING = Flow()
LOST = Outcome("failed", error={"code": "WORKER_LOST", "message": "gone"})
SELECT_A = RunSelection(["#.a"], ["#.a"], {})
VALUE = {"rows": ["ü☂" * 10_000, None, 0.1], "$ref": "not one"}


def seen(res: Any = None, job: Any = None) -> Any:
    return {"res": res, "context": dict(job.context)}


class TestEngine:
    def test_the_next_task_gets_the_same_value(self, jobs: Jobs, tmp_path: Path) -> None:
        id = run(jobs, Task("a", lambda: VALUE, dest="big", context_vars=["rows"]), Task("b", seen))
        assert jobs.wait(id) == {"res": VALUE, "context": {"big": VALUE, "rows": VALUE["rows"]}}
        record = jobs.get_task(id, "#.b")
        assert (record["argument"], record["context"]) == (VALUE, {"big": VALUE, "rows": VALUE["rows"]})
        assert jobs.get_result(id) == record["body"]
        assert isinstance(jobs.storage.get_task(id, "#.a")["body"], Reference)
        assert jobs.get_tasks_statuses(id)["#.a"]["bodySize"] > 50_000
        jobs.destroy_workflow(id)
        assert jobs.storage.list_bodies(id) == []
        assert files(tmp_path) == []

    def test_a_block_of_them_is_the_argument_of_the_next(self, jobs: Jobs) -> None:
        id = run(
            jobs,
            Task("a", lambda: VALUE, subtasks=[Task("x", lambda res: res["rows"]), Task("y", lambda res: [res])]),
            Task("b", lambda res: sorted(res)),
        )
        assert jobs.wait(id) == ["x", "y"]
        assert jobs.get_task(id, "#.b")["argument"] == {"x": VALUE["rows"], "y": [VALUE]}
        assert isinstance(jobs.storage.get_task(id, "#.b")["argument"], Reference)
        assert jobs.get_task(id, "#.a.x")["argument"] == VALUE

    def test_an_explicit_argument_is_kept_once(self, jobs: Jobs, tmp_path: Path) -> None:
        jobs.register_workflow(
            "w",
            [
                Task("a", None, subtasks=[Task("x", len)]),
                Task("b", lambda res: [res, VALUE] if res == {"x": 2} else res),
            ],
        )
        id = jobs.create_workflow_instance("w")
        jobs.execute_all_tasks(id, VALUE)
        assert jobs.wait(id) == [{"x": 2}, VALUE]
        assert jobs.get_task(id, "#.a")["argument"] == jobs.get_task(id, "#.a")["body"] == VALUE
        # The argument, which is the result of #.a too, and the result of #.b.
        assert len(jobs.storage.list_bodies(id)) == 2
        jobs.execute_one_task(id, "#.b", argument="small")
        assert len(jobs.storage.list_bodies(id)) == 1
        assert jobs.get_value(id, "#.a") == jobs.get_value(id, "#.a", "argument") == VALUE

    def test_a_start_that_is_refused_leaves_nothing(self, jobs: Jobs, tmp_path: Path) -> None:
        jobs.register_workflow("w", [Task("a", lambda: pytest.fail("it was started")), Task("b", lambda: 1)])
        id = jobs.create_workflow_instance("w")
        with pytest.raises(Exception, match="comes before it"):
            jobs.execute_one_task(id, "#.b", VALUE)
        jobs.storage.start_run(id, SELECT_A)
        with pytest.raises(Exception, match="a run is going on"):
            jobs.execute_all_tasks(id, VALUE)
        assert jobs.storage.list_bodies(id) == []
        assert files(tmp_path) == []

    def test_a_new_run_and_a_reset_leave_nothing_of_the_old_one(self, jobs: Jobs, tmp_path: Path) -> None:
        id = run(jobs, Task("a", lambda: VALUE), Task("b", lambda res: [res]), Task("c", lambda: 1))
        for _ in range(3):
            jobs.execute_all_tasks(id)
            assert len(jobs.storage.list_bodies(id)) == 2
        jobs.execute_one_task(id, "#.b")
        assert jobs.get_value(id, "#.b") == [VALUE]
        assert len(jobs.storage.list_bodies(id)) == 2
        jobs.reset(id, "#.b")
        assert len(jobs.storage.list_bodies(id)) == 1
        assert jobs.get_value(id, "#.a") == VALUE
        assert len(files(tmp_path)) in (0, 1)

    def test_an_update_leaves_nothing_of_tasks_that_are_no_more(self, jobs: Jobs) -> None:
        id = run(jobs, Task("a", lambda: VALUE), Task("b", lambda res: [res]))
        jobs.register_workflow("other", [Task("b", lambda res: [res])])
        jobs.update_workflow(id, {"workflow": {"$set": "other"}})
        assert len(jobs.storage.list_bodies(id)) == 1
        assert jobs.get_value(id, "#.b") == [VALUE]

    def test_an_outcome_that_comes_too_late_leaves_nothing(self, jobs: Jobs, tmp_path: Path) -> None:
        def late(res: Any, job: Any) -> Any:
            jobs.storage.complete(*done, job.run, token=job._token, outcome=LOST, flow=NOTHING)
            return VALUE

        jobs.register_workflow("w", [Task("a", late)])
        id = jobs.create_workflow_instance("w")
        done = (id, "#.a")
        jobs.execute_all_tasks(id)
        assert jobs.get_task(id, "#.a")["status"] == "failed"
        assert jobs.storage.list_bodies(id) == []
        assert files(tmp_path) == []

    def test_one_that_was_started_again_keeps_its_values_and_one_that_rests_leaves_nothing(
        self, jobs: Jobs, tmp_path: Path
    ) -> None:
        id = run(jobs, Task("a", lambda: VALUE), Task("b", lambda res: 1))
        jobs.execute_one_task(id, "#.b")
        assert not jobs.destroy_rested(id, 1)
        jobs.runtime.bodies._cache.after_fork()
        assert jobs.get_value(id, "#.a") == VALUE
        assert jobs.destroy_rested(id, 2)
        assert files(tmp_path) == []

    def test_an_instance_that_is_destroyed_meanwhile(self, jobs: Jobs, tmp_path: Path) -> None:
        def destroying(res: Any, job: Any) -> Any:
            jobs.destroy_workflow(job.workflow_id)
            return VALUE

        jobs.register_workflow("w", [Task("a", destroying)])
        id = jobs.create_workflow_instance("w")
        jobs.storage.start_run(id, SELECT_A)
        assert run_step(jobs.runtime, id, "#.a", 1, worker="w").state == "lost"
        assert files(tmp_path) == []

    def test_an_undo_function_gets_it(self, jobs: Jobs) -> None:
        got: list[Any] = []
        id = run(jobs, Task("a", lambda: VALUE, undo=got.append))
        jobs.cancel(id, undo=True)
        assert got == [VALUE]

    def test_a_failure_s_payload(self, jobs: Jobs) -> None:
        def fail() -> None:
            raise Failure(VALUE)

        id = run(jobs, Task("a", fail, on_failure="continue"), Task("b", lambda res: res))
        assert jobs.get_task(id, "#.a")["body"] == VALUE
        assert jobs.wait(id) == {}

    def test_updaters(self, jobs: Jobs) -> None:
        def change(res: Any, job: Any) -> None:
            job.update_context({"big": {"$set": VALUE}})

        id = run(jobs, Task("a", change), Task("b", seen))
        assert jobs.wait(id)["context"] == {"big": VALUE}
        jobs.set_context_updaters(id, "#.a", [{"big": {"$set": [VALUE]}}])
        jobs.execute_one_task(id, "#.b")
        assert jobs.wait(id)["context"] == {"big": [VALUE]}
        assert jobs.get_task(id, "#.a")["updaters"] == [{"big": {"$set": [VALUE]}}]

    def test_updaters_that_are_set_while_the_task_is_executed_again(
        self, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        id = run(jobs, Task("a", lambda: 1), Task("b", seen))
        add_body = jobs.storage.add_body

        def add_and_run(*args: Any) -> bool:
            monkeypatch.undo()
            added = add_body(*args)
            jobs.execute_one_task(id, "#.a")
            return added

        monkeypatch.setattr(jobs.storage, "add_body", add_and_run)
        jobs.set_context_updaters(id, "#.a", [{"big": {"$set": VALUE}}])
        jobs.execute_one_task(id, "#.b")
        assert jobs.wait(id)["context"] == {"big": VALUE}

    def test_what_is_not_asked_for_is_not_loaded(self, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
        id = run(jobs, Task("a", lambda: VALUE, dest="big"), Task("b", lambda res: [res]))
        monkeypatch.setattr(Bodies, "read", lambda *args: pytest.fail("it was read"))
        record = jobs.get_task(id, "#.b", whole=False)
        assert isinstance(record["body"], Reference)
        assert record["argument"]["$ref"] == record["context"]["big"]["$ref"] == "#.a"
        assert jobs.get_logs(id, "#.a") == jobs.get_attempts(id, "#.a") == []

    def test_a_lost_value_fails_who_needs_it_and_says_so(self, jobs: Jobs, tmp_path: Path) -> None:
        jobs.register_workflow("w", [Task("a", lambda: VALUE), Task("b", lambda res: 1, on_failure="continue")])
        id = jobs.create_workflow_instance("w")
        jobs.execute_one_task(id, "#.a")
        jobs.runtime.bodies.drop(id, [jobs.storage.get_task(id, "#.a")["body"].text])
        jobs.execute_one_task(id, "#.b")
        record = jobs.storage.get_task(id, "#.b")
        assert (record["status"], record["error"]["code"]) == ("failed", "BODY_LOST")
        with pytest.raises(BodyLost):
            jobs.get_task(id, "#.a")
        assert jobs.runtime.header(id).status == "done", "it lets the flow go on"


class Leaving(DirectoryStore):
    """A store that is away, now and then."""

    away: type[Exception] | bool = False
    #: Deletions that it still answers.
    left = 0

    def _check(self) -> None:
        if self.away is ConfigurationError:
            raise ConfigurationError(setting="bodies", reason="AccessDenied")
        if self.away:
            raise StorageUnavailable(storage=self.label, reason="away")

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        self._check()
        super().write(name, chunks)

    def open(self, name: str) -> Iterator[bytes]:
        self._check()
        return super().open(name)

    def delete(self, names: Sequence[str]) -> None:
        self.left -= 1
        if self.left < 0:
            self._check()
        super().delete(names)


class TestStoreAway:
    """The external store cannot be reached, the storage of the records can."""

    @pytest.fixture
    def store(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Leaving:
        for module in (step, undo):
            monkeypatch.setattr(module, "RECORD_PATIENCE", 0.01)
        (tmp_path / "bodies").mkdir()
        return Leaving(tmp_path / "bodies")

    @pytest.fixture
    def now(self) -> list[int]:
        return [1_000_000]

    @pytest.fixture
    def jobs(self, store: Leaving, now: list[int]) -> Jobs:
        storage = MemoryStorage(clock=lambda: now[0])
        return Jobs(storage=storage, backend=Small(), registry=Registry(), bodies=store)

    @pytest.mark.parametrize("on_failure", ["stop", "continue"])
    def test_a_task_whose_result_cannot_be_kept_fails_and_is_not_executed_again(
        self, jobs: Jobs, store: Leaving, on_failure: str
    ) -> None:
        calls: list[int] = []

        def make() -> Any:
            calls.append(1)
            return VALUE

        store.away = True
        id = run(jobs, Task("a", make, on_failure=on_failure), Task("b", lambda: 1))
        jobs.recover()
        assert jobs.get_task(id, "#.a")["error"]["code"] == "STORAGE_UNAVAILABLE"
        assert jobs.get_workflow(id)["status"] == ("failed" if on_failure == "stop" else "done")
        assert calls == [1]

    def test_one_whose_argument_cannot_be_read_fails_and_may_be_resumed(self, jobs: Jobs, store: Leaving) -> None:
        id = run(jobs, Task("a", lambda: VALUE), Task("b", lambda res: res == VALUE))
        jobs.runtime.bodies._cache.after_fork()
        store.away = True
        jobs.execute_one_task(id, "#.b")
        assert jobs.get_task(id, "#.b")["error"]["code"] == "STORAGE_UNAVAILABLE"
        store.away = False
        jobs.resume(id)
        assert jobs.wait(id) is True

    def test_what_cannot_be_undone_says_so(self, jobs: Jobs, store: Leaving) -> None:
        id = run(jobs, Task("a", lambda: VALUE, undo=lambda res: None))
        jobs.runtime.bodies._cache.after_fork()
        store.away = True
        jobs.cancel(id, undo=True)
        assert jobs.get_task(id, "#.a", whole=False)["undoError"]["code"] == "UNDO_FAILED"
        store.away = False
        jobs.cancel(id, undo=True)
        assert jobs.get_workflow(id)["undo"] == "done"

    def test_retention_waits_for_it_and_sees_to_all_else(
        self, jobs: Jobs, store: Leaving, now: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        deleted: list[str] = []
        jobs.on_delete(lambda id: deleted.append(id))
        jobs.register_workflow("w", [Task("a", lambda: VALUE)], keep=60)
        ids = [jobs.create_workflow_instance("w", execute=True) for _ in range(3)]
        now[0] += 100_000
        store.away, lanes = True, list[int]()
        monkeypatch.setattr(Recovery, "_lanes", lambda self: lanes.append(1) or 0)
        for _ in range(2):
            assert jobs.recover() == 3
            now[0] += 10_000
        assert (len(files(tmp_path)), deleted, len(lanes)) == (3, [], 2)
        with pytest.raises(StorageUnavailable):
            jobs.prune()
        store.away = False
        jobs.recover()
        assert (files(tmp_path), sorted(deleted)) == ([], sorted(ids))

    @pytest.mark.parametrize("away", [True, ConfigurationError])
    def test_it_is_asked_once_and_then_not_for_a_while(
        self, jobs: Jobs, store: Leaving, now: list[int], away: type[Exception] | bool
    ) -> None:
        jobs.register_workflow("w", [Task("a", lambda: VALUE)], keep=60)
        for _ in range(5):
            jobs.create_workflow_instance("w", execute=True)
        now[0] += 100_000
        store.away, store.left = away, 0
        recovery = Recovery(jobs.runtime, jobs.backend)
        recovery.sweep()
        now[0] += 10_000
        assert recovery.sweep() == 5
        assert store.left == -1

    def test_an_instance_that_is_gone_is_told_of_though_it_left_with_the_store(
        self, jobs: Jobs, store: Leaving, caplog: pytest.LogCaptureFixture
    ) -> None:
        deleted: list[str] = []
        jobs.on_delete(lambda id: deleted.append(id))
        id = run(jobs, Task("a", lambda: VALUE))
        store.away, store.left = True, 1
        assert jobs.destroy_rested(id, 1)
        assert deleted == [id]
        assert "but not its 1 values in an external store: STORAGE_UNAVAILABLE" in caplog.text

    def test_a_worker_s_report_of_a_death_is_left_to_the_lease(self, jobs: Jobs, store: Leaving) -> None:
        jobs.register_workflow("w", [Task("a", lambda: VALUE), Task("b", len, on_failure="continue")])
        id = jobs.create_workflow_instance("w")
        jobs.execute_one_task(id, "#.a")
        run = jobs.storage.start_run(id, RunSelection(["#.b"], ["#.b"], {})).run
        death = Death(id, "#.b", run, None, "TIMEOUT", "TimeoutError", "it took too long")
        recovery = Recovery(jobs.runtime, jobs.backend)
        jobs.runtime.bodies._cache.after_fork()
        store.away = True
        see_to(jobs.runtime, recovery, death)
        assert jobs.get_task(id, "#.b")["status"] == "queued"
        store.away = False
        see_to(jobs.runtime, recovery, death)
        assert jobs.get_task(id, "#.b")["argument"] == VALUE

    def test_one_of_the_storage_is_no_business_of_the_store(self, jobs: Jobs, store: Leaving) -> None:
        bodies = jobs.runtime.bodies
        assert bodies.are_away(StorageUnavailable(storage=store.label, reason="away"))
        assert not bodies.are_away(StorageUnavailable(storage="memory", reason="away"))
        assert not bodies.are_away(OSError())


class TestHardLimit:
    def test_a_result(self, jobs: Jobs) -> None:
        id = run(jobs, Task("a", lambda: "x" * LIMITS.limit))
        error = jobs.get_task(id, "#.a")["error"]
        assert error["code"] == "TOO_LARGE"
        assert (
            "the result is 1000002 bytes of JSON, over the limit of 1000000. Keep such data elsewhere"
            in error["message"]
        )

    def test_a_block_fails_the_next_task_before_it_is_called(self, jobs: Jobs) -> None:
        half = Task("x", lambda: "x" * 600_000), Task("y", lambda: "x" * 600_000)
        id = run(jobs, Task("a", lambda: 1, subtasks=half), Task("b", lambda: pytest.fail("it was called")))
        error = jobs.get_task(id, "#.b")["error"]
        assert (error["code"], error["message"][:12]) == ("TOO_LARGE", "the argument")

    def test_a_failure_s_payload_leaves_its_message(self, jobs: Jobs) -> None:
        def fail() -> None:
            raise Failure("x" * LIMITS.limit, "too many rows")

        id = run(jobs, Task("a", fail))
        body = jobs.get_task(id, "#.a")["body"]
        assert body.startswith("too many rows (the failure's payload is 1000002 bytes")

    def test_an_argument(self, jobs: Jobs) -> None:
        jobs.register_workflow("w", [Task("a", len)])
        id = jobs.create_workflow_instance("w")
        with pytest.raises(TooLarge, match="the argument is"):
            jobs.execute_all_tasks(id, "x" * LIMITS.limit)
        assert jobs.get_workflow(id)["status"] == "inactive"

    def test_data_and_base_context(self, jobs: Jobs) -> None:
        jobs.register_workflow("w", [Task("a", len)])
        with pytest.raises(TooLarge, match="data with base_context is"):
            jobs.create_workflow_instance("w", "x" * 600_000, base_context={"y": "y" * 600_000})
        id = jobs.create_workflow_instance("w", "x" * 600_000)
        with pytest.raises(TooLarge):
            jobs.update_workflow(id, {"base_context": {"$set": {"y": "y" * 600_000}}})


class TestConfiguration:
    def test_the_settings_of_the_celery_side(self, tmp_path: Path) -> None:
        app = Celery("bodies", set_as_current=False)
        app.conf.jobs_flow_bodies = f"file://{tmp_path}"
        app.conf.jobs_flow_body_threshold = 8_192
        app.conf.jobs_flow_body_limit = 100_000
        jobs = Jobs(app, storage="memory://", registry=Registry())
        assert jobs.runtime.policy.bodies == BodyLimits(8_192, 100_000)
        store = jobs.runtime.get_body_store()
        assert store is jobs.runtime.get_body_store()
        assert store is not None
        assert store.label == f"file://{tmp_path}"
        assert BodyLimits() == BodyLimits(256 * 1024, 256 * 1024 * 1024)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("bodies", 3),
            ("body_threshold", LEAST_THRESHOLD - 1),
            ("body_threshold", 256 * 1024 + 1),
            ("body_threshold", True),
            ("body_limit", 0),
            ("body_limit", "1 GB"),
        ],
    )
    def test_wrong_ones_are_named(self, name: str, value: Any) -> None:
        app = Celery("bodies", set_as_current=False)
        app.conf[f"jobs_flow_{name}"] = value
        jobs = Jobs(app, storage="memory://", registry=Registry())
        with pytest.raises(ConfigurationError, match=f"jobs_flow_{name}"):
            assert jobs.runtime.policy.bodies
            jobs.runtime.get_body_store()

    @pytest.mark.parametrize("url", ["ftp://x/y", "nothing", "file://host/dir", "file:dir", 7, "s3://", "s3://b?x=1"])
    def test_a_wrong_url_is_wrong_at_once(self, url: Any) -> None:
        with pytest.raises(ConfigurationError, match="bodies is wrong"):
            Jobs(storage="memory://", backend="sync", bodies=url)
