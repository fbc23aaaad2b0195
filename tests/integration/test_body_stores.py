"""External stores of large values: a directory, a storage of Django's, and a bucket over HTTP."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.core.files.storage import FileSystemStorage

from jobs_flow import Jobs, Registry, Task
from jobs_flow.backends import SyncBackend
from jobs_flow.backends.policy import Policy
from jobs_flow.errors import BodyLost, ConfigurationError, StorageUnavailable
from jobs_flow.storages import MemoryStorage
from jobs_flow.storages.bodies import Bodies, BodyLimits
from jobs_flow.storages.body_stores import BodyStore, DirectoryStore, create_body_store
from jobs_flow.storages.contract_bodies import CHUNK_BYTES
from jobs_flow_django.bodies import DjangoBodyStore
from tests.support.servers_s3 import CREDENTIALS, REGION, S3Server

BUCKET = "bodies"
CHUNKS = [bytes(range(256)) * (CHUNK_BYTES // 256), b"the rest"]


class Renaming(FileSystemStorage):
    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return f"{name}_1"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture
def bucket(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    resource = boto3.session.Session().resource("s3", region_name=REGION, endpoint_url=s3.endpoint)
    made = resource.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    yield made
    made.objects.all().delete()
    made.delete()
    resource.meta.client.close()


@pytest.fixture(params=["directory", "django", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, settings: Any) -> BodyStore:
    if request.param == "s3":
        request.getfixturevalue("bucket")
        made = create_body_store(request.getfixturevalue("s3").url(BUCKET, "some/prefix"))
    elif request.param == "django":
        backend = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
        settings.STORAGES = {**settings.STORAGES, "bodies": backend}
        made = DjangoBodyStore("bodies")
    else:
        (tmp_path / "with space").mkdir()
        made = create_body_store(f"file://{tmp_path}/with%20space")
    assert made is not None
    return made


@pytest.fixture
def left(request: pytest.FixtureRequest, store: BodyStore, tmp_path: Path) -> Any:
    """What is in the store, by any name."""
    if "s3" in request.node.callspec.params.values():
        bucket = request.getfixturevalue("bucket")
        return lambda: [found.key for found in bucket.objects.all()]
    return lambda: [str(path) for path in tmp_path.rglob("*") if path.is_file() or path.name.startswith("0")]


class TestStores:
    def test_what_goes_in_comes_out(self, store: BodyStore, left: Any) -> None:
        store.write("0a/one", iter(CHUNKS))
        store.write("0a/two", iter([b"x"]))
        assert b"".join(store.open("0a/one")) == b"".join(CHUNKS)
        assert all(len(chunk) <= CHUNK_BYTES for chunk in store.open("0a/one"))
        store.delete(["0a/one", "0a/nothing", "0b/nothing"])
        assert b"".join(store.open("0a/two")) == b"x"
        with pytest.raises(FileNotFoundError):
            list(store.open("0a/one"))
        store.delete(["0a/two"])
        store.delete([])
        assert left() == []

    def test_labels_say_where_and_no_more(self, store: BodyStore) -> None:
        assert isinstance(store, BodyStore)
        assert len(store.label) <= 300
        assert "?" not in store.label

    def test_many_threads(self, store: BodyStore) -> None:
        found: list[bytes] = []

        def work(number: int) -> None:
            name, data = f"0{number % 2}/{number}", str(number).encode()
            store.write(name, iter([data]))
            found.extend(store.open(name))
            store.delete([name])

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(found) == [b"%d" % number for number in range(8)]

    def test_the_engine_on_it(self, store: BodyStore, left: Any) -> None:
        class Small(SyncBackend):
            policy = Policy(bodies=BodyLimits(threshold=10_000))

        value = {"rows": ["☂é" * 200_000]}
        jobs = Jobs(storage=MemoryStorage(), backend=Small(), registry=Registry(), bodies=store)
        jobs.register_workflow("w", [Task("a", lambda: value), Task("b", lambda res: [res])])
        id = jobs.create_workflow_instance("w", execute=True)
        assert jobs.wait(id) == [value]
        assert len([name for name in left() if name.endswith(".x")]) == 2
        assert jobs.storage.get_task(id, "#.a")["body"].at == store.label
        jobs.execute_all_tasks(id)
        assert len([name for name in left() if name.endswith(".x")]) == 2
        store.delete([f"{id}/{jobs.storage.get_task(id, '#.a')['body'].name}"])
        with pytest.raises(BodyLost, match="it is not in"):
            Bodies(lambda: jobs.storage, get_store=lambda: store).value(id, jobs.storage.get_task(id, "#.a")["body"])
        jobs.destroy_workflow(id)
        assert left() == []


class TestDirectory:
    def test_nothing_is_seen_of_a_file_that_is_being_written(self, tmp_path: Path) -> None:
        store = DirectoryStore(tmp_path)

        def chunks() -> Iterator[bytes]:
            yield b"half"
            with pytest.raises(FileNotFoundError):
                list(store.open("a/b"))
            yield b"whole"

        store.write("a/b", chunks())
        assert list(store.open("a/b")) == [b"halfwhole"]

    def test_a_path_that_is_no_directory_is_a_mistake(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(ConfigurationError):
            DirectoryStore(tmp_path / "file").write("a/b", [b"x"])

    def test_a_directory_that_is_not_mounted_is_not_made(self, tmp_path: Path) -> None:
        with pytest.raises(StorageUnavailable, match="make it, or mount it"):
            DirectoryStore(tmp_path / "shared").write("a/b", [b"x"])
        assert not (tmp_path / "shared").exists()

    def test_a_full_disk_passes(self, tmp_path: Path) -> None:
        def full() -> Iterator[bytes]:
            yield b"x"
            raise OSError(28, os.strerror(28))

        with pytest.raises(StorageUnavailable, match="No space left"):
            DirectoryStore(tmp_path).write("a/b", full())


class TestS3:
    def test_a_bucket_that_is_not_there_is_a_mistake(self, s3: S3Server, bucket: Any) -> None:
        store = create_body_store(s3.url("other-bucket"))
        assert store is not None
        with pytest.raises(ConfigurationError, match="NoSuchBucket"):
            store.write("a/b", [b"x"])

    def test_without_credentials_it_is_said(self, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in CREDENTIALS:
            monkeypatch.delenv(name, raising=False)
        for name, value in {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/", "HOME": "/"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nothing")
        store = create_body_store(s3.url(BUCKET))
        assert store is not None
        with pytest.raises(ConfigurationError, match="credentials"):
            store.write("a/b", [b"x"])

    def test_a_server_that_is_away_is_no_mistake(self, bucket: Any) -> None:
        store = create_body_store(f"s3://{BUCKET}/?region={REGION}&endpoint=http://127.0.0.1:1")
        assert store is not None
        with pytest.raises(StorageUnavailable, match="EndpointConnectionError"):
            store.write("a/b", [b"x"])

    def test_objects_are_below_the_prefix(self, s3: S3Server, bucket: Any) -> None:
        store = create_body_store(s3.url(BUCKET, "a/b/"))
        assert store is not None
        store.write("c/d", [b"x"])
        assert [found.key for found in bucket.objects.all()] == ["a/b/c/d"]
        assert store.label == f"s3://{BUCKET}/a/b"

    def test_a_forked_child_has_a_client_of_its_own(self, s3: S3Server, bucket: Any) -> None:
        store: Any = create_body_store(s3.url(BUCKET))
        store.write("a/b", [b"x"])
        client = store._connected()
        assert store._connected() is client
        child = os.fork()
        if child == 0:
            os._exit(0 if store._connected() is not client else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class TestDjango:
    def test_an_alias_that_is_not_there(self) -> None:
        with pytest.raises(ConfigurationError, match=r"JOBS_FLOW\['BODIES'\].*'nowhere' is no storage of STORAGES"):
            DjangoBodyStore("nowhere")

    def test_a_storage_that_renames_is_of_no_use(self, settings: Any, tmp_path: Path) -> None:
        backend = {"BACKEND": f"{__name__}.Renaming", "OPTIONS": {"location": str(tmp_path)}}
        settings.STORAGES = {**settings.STORAGES, "bodies": backend}
        with pytest.raises(ConfigurationError, match="one that keeps names"):
            DjangoBodyStore("bodies").write("a/b", [b"x"])
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
