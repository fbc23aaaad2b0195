"""How a DynamoDB table is reached and made, on a real server."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError, ParamValidationError, ReadTimeoutError

from jobs_flow.errors import ConfigurationError, StorageUnavailable
from jobs_flow.storages.dynamodb import connection as module
from jobs_flow.storages.dynamodb.connection import ANSWERS, Connection, reporting
from jobs_flow.storages.dynamodb.schema import EXPIRES, INDEXES, check_table, create_table, definition
from scripts.environment import ROOT
from tests.support.faults_dynamodb import Faults
from tests.support.servers_dynamodb import DynamoDB, fresh

KEYS = {"Key": {"S": "a"}, "Sort": {"S": "b"}}


@pytest.fixture
def connection(dynamodb_url: str) -> Iterator[Connection]:
    """To the table that all tests share."""
    made = Connection.parse(fresh(dynamodb_url))
    yield made
    made.close()


@pytest.fixture
def unmade(dynamodb_url: str) -> Iterator[Connection]:
    """To a table that is not there."""
    made = Connection.parse(dynamodb_url)
    made.table = f"unmade-{secrets.token_hex(6)}"
    made.label = f"dynamodb://{made.table}"
    yield made
    made.close()


class TestUrl:
    def test_all_that_it_may_say(self) -> None:
        found = Connection.parse(
            "dynamodb://AK%2FIA:se%2Fcr%40et%2B@My.Table_1?region=eu-west-1&endpoint=http%3A%2F%2F127.0.0.1%3A8000"
            "&prefix=a%3A&events=redis%3A%2F%2F127.0.0.1%3A6379%2F0%3Fprefix%3Db&session_token=to+k%2Fen%3D"
        )
        assert (found.table, found.prefix, found.label) == ("My.Table_1", "a:", "dynamodb://My.Table_1")
        assert found.events == "redis://127.0.0.1:6379/0?prefix=b"
        client = found.client
        credentials = client._request_signer._credentials
        assert (credentials.access_key, credentials.secret_key) == ("AK/IA", "se/cr@et+")
        assert credentials.token == "to+k/en="
        assert (client.meta.region_name, client.meta.endpoint_url) == ("eu-west-1", "http://127.0.0.1:8000")
        found.close()

    def test_credentials_from_where_boto3_looks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from the environment")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
        found = Connection.parse("dynamodb://table")
        assert found.client._request_signer._credentials.access_key == "from the environment"
        assert found.client.meta.region_name == "eu-north-1"
        assert (found.prefix, found.events) == ("", None)
        found.close()

    @pytest.mark.parametrize(
        ("url", "said"),
        [
            pytest.param("dynamodb://table?regoin=x", "'regoin'", id="unknown parameter"),
            pytest.param("dynamodb://table?region=", "'region' is empty", id="empty parameter"),
            pytest.param("dynamodb://table?region=a&region=b", "twice", id="parameter given twice"),
            pytest.param("dynamodb://table?events=amqp%3A%2F%2Fx", "events", id="events of another scheme"),
            pytest.param("dynamodb://", "name of a table", id="no table"),
            pytest.param("dynamodb://ab", "name of a table", id="short table"),
            pytest.param("dynamodb://table/other", "nothing but", id="path"),
            pytest.param("dynamodb://KEY@table", "KEY:SECRET", id="no secret"),
            pytest.param("dynamodb://:SECRET@table", "KEY:SECRET", id="no key"),
            pytest.param("dynamodb://table?session_token=x", "KEY:SECRET", id="token alone"),
            pytest.param("dynamodb://K:S@table?profile=x", "not both", id="profile and key"),
            pytest.param("dynamodb://KEY:hid/den@table", "%2F", id="slash in a secret"),
            pytest.param("dynamodb://KEY:hid?den@table", "%3F", id="question mark in a secret"),
            pytest.param("dynamodb://KEY:hid#den@table", "%23", id="hash in a secret"),
            pytest.param("dynamodb://[KEY:hidden@table", "cannot be read", id="bracket"),
        ],
    )
    def test_what_cannot_be_meant(self, url: str, said: str) -> None:
        with pytest.raises(ConfigurationError, match="setting storage") as caught:
            Connection.parse(url)
        assert said in caught.value.message
        assert "hid" not in caught.value.message
        assert "den@" not in caught.value.message

    @pytest.mark.parametrize(
        ("url", "said"),
        [
            pytest.param("dynamodb://K:S@table?region=x&endpoint=nowhere", "nowhere", id="endpoint"),
            pytest.param("dynamodb://K:S@table", "region", id="no region"),
            pytest.param("dynamodb://table?region=x&profile=nobody", "nobody", id="profile"),
        ],
    )
    def test_what_only_the_driver_finds(self, url: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        with pytest.raises(ConfigurationError, match=said):
            Connection.parse(url).call("list_tables")

    def test_without_boto3(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("boto3", "botocore", "botocore.config", "botocore.exceptions"):
            monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(ConfigurationError, match=r"pip install jobs-flow\[dynamodb\]"):
            Connection("table", region="x").call("list_tables")
        # Said when the storage is named: requests import names of the driver before they are sent.
        with pytest.raises(ConfigurationError, match=r"pip install jobs-flow\[dynamodb\]"):
            Connection.parse("dynamodb://table?region=x")


class TestErrors:
    def test_table_missing(self, unmade: Connection) -> None:
        with pytest.raises(StorageUnavailable, match="celery -A proj flow create-table") as caught:
            unmade.call("get_item", TableName=unmade.table, Key=KEYS)
        assert unmade.label in caught.value.message

    def test_server_goes_and_comes_back(
        self, start_dynamodb: Callable[..., DynamoDB], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "ATTEMPTS", 1)
        server = start_dynamodb(durable=True)
        connection = Connection.parse(server.url)
        connection.call("put_item", TableName=connection.table, Item=KEYS)
        server.kill()
        with pytest.raises(StorageUnavailable, match=r"EndpointConnectionError|ConnectionClosed"):
            connection.call("get_item", TableName=connection.table, Key=KEYS)
        server.start()
        assert connection.call("get_item", TableName=connection.table, Key=KEYS)["Item"] == KEYS
        connection.close()

    def test_a_restart_is_waited_for(
        self, start_dynamodb: Callable[..., DynamoDB], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The pauses are drawn by lot: of four, all may be shorter than a start takes.
        monkeypatch.setattr(module, "ATTEMPTS", 12)
        server = start_dynamodb(durable=True)
        connection = Connection.parse(server.url)
        connection.call("put_item", TableName=connection.table, Item=KEYS)
        server.kill()
        with ThreadPoolExecutor() as pool:
            reading = pool.submit(connection.call, "get_item", TableName=connection.table, Key=KEYS)
            server.start()
            assert reading.result()["Item"] == KEYS
        connection.close()

    def test_conditions_are_for_the_caller(self, connection: Connection) -> None:
        write = {"TableName": connection.table, "Item": KEYS, "ConditionExpression": "attribute_exists(nothing)"}
        with pytest.raises(ClientError) as caught:
            connection.call("put_item", **write)
        assert caught.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
        with pytest.raises(ClientError) as caught:
            connection.call("transact_write_items", TransactItems=[{"Put": write}])
        assert [each["Code"] for each in caught.value.response["CancellationReasons"]] == ["ConditionalCheckFailed"]

    @pytest.mark.parametrize("code", sorted(ANSWERS))
    def test_answers_go_through(self, code: str) -> None:
        with pytest.raises(ClientError), reporting("dynamodb://table"):
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "PutItem")

    @pytest.mark.parametrize(
        "code",
        [
            "AccessDeniedException",
            "ExpiredTokenException",
            "InternalServerError",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "ServiceUnavailable",
            "ThrottlingException",
            "UnrecognizedClientException",
        ],
    )
    def test_a_service_that_does_not_serve(self, code: str) -> None:
        with pytest.raises(StorageUnavailable, match=code), reporting("dynamodb://table"):
            raise ClientError({"Error": {"Code": code, "Message": "why" * 1000}}, "PutItem")

    def test_errors_of_the_driver(self) -> None:
        for error in (NoCredentialsError(), ReadTimeoutError(endpoint_url="http://x")):
            with pytest.raises(StorageUnavailable, match=type(error).__name__), reporting("dynamodb://table"):
                raise error
        for mistake in (ParamValidationError(report="wrong"), KeyError("ours")):
            with pytest.raises(type(mistake)), reporting("dynamodb://table"):
                raise mistake


class TestFaults:
    """What the tests of the storage lay over a connection does what the service would."""

    def test_conflicts(self, connection: Connection) -> None:
        faults = Faults(connection, conflicts=1.0)
        key = {"Key": {"S": f"{connection.prefix}c"}, "Sort": {"S": "c"}}
        put = {"TableName": connection.table, "Item": key}
        with pytest.raises(ClientError) as caught:
            connection.call("transact_write_items", TransactItems=[{"Put": put}])
        assert caught.value.response["Error"]["Code"] == "TransactionCanceledException"
        assert [each["Code"] for each in caught.value.response["CancellationReasons"]] == ["TransactionConflict"]
        with pytest.raises(ClientError, match="TransactionConflictException"):
            connection.call("put_item", **put)
        faults.end()
        assert "Item" not in connection.call("get_item", TableName=connection.table, Key=key)

    def test_throttled_requests_are_sent_again(self, connection: Connection) -> None:
        faults = Faults(connection, throttled=0.5)
        faults._random = SimpleNamespace(random=iter([0.0, 1.0]).__next__)  # type: ignore[assignment]
        connection.call("get_item", TableName=connection.table, Key=KEYS)
        assert faults.met["throttled"] == 1
        faults.end()

    def test_an_answer_that_is_lost_has_the_driver_write_twice(self, connection: Connection) -> None:
        faults = Faults(connection, repeated=0.5, seed=0)
        key = {"Key": {"S": f"{connection.prefix}r"}, "Sort": {"S": "r"}}
        update = {"TableName": connection.table, "Key": key, "UpdateExpression": "ADD n :one"}
        for _ in range(4):
            connection.call("update_item", **update, ExpressionAttributeValues={":one": {"N": "1"}})
        written = int(connection.call("get_item", TableName=connection.table, Key=key)["Item"]["n"]["N"])
        assert written == 4 + faults.met["repeated"]
        assert faults.met["repeated"]
        faults.end()


FORK = """
import os, sys, threading
from jobs_flow.storages.dynamodb.connection import Connection

connection = Connection.parse(sys.argv[1])
connection.call("list_tables")
before = connection.client
# Another thread is just making a client and reading the clock, as far as the child can see.
connection._lock.acquire()
connection.clock._lock.acquire()
pid = os.fork()
if not pid:
    connection.call("list_tables")
    os._exit(3 if connection.client is before else 0)
connection._lock.release()
connection.clock._lock.release()
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
connection.call("list_tables")
sys.exit(status or (0 if connection.client is before else 4))
"""


class TestClient:
    def test_one_for_all_threads(self, dynamodb_url: str) -> None:
        connection = Connection.parse(dynamodb_url)
        barrier = threading.Barrier(8)

        def ask() -> int:
            barrier.wait()
            connection.call("list_tables")
            return id(connection.client)

        with ThreadPoolExecutor(8) as pool:
            clients = [each.result() for each in [pool.submit(ask) for _ in range(8)]]
        assert len(set(clients)) == 1
        connection.close()
        connection.call("list_tables")
        assert id(connection.client) not in clients
        connection.close()

    def test_a_child_has_one_of_its_own(self, dynamodb_url: str) -> None:
        command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK, dynamodb_url]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")

    def test_the_clock_learns_from_answers(self, connection: Connection) -> None:
        connection.clock._wall = lambda: 0
        connection.call("list_tables")
        assert connection.clock() > 1_700_000_000_000


class TestTable:
    def test_is_made_once(self, unmade: Connection) -> None:
        assert [create_table(unmade), create_table(unmade)] == [True, False]
        found = unmade.call("describe_table", TableName=unmade.table)["Table"]
        assert found["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
        assert sorted(each["IndexName"] for each in found["GlobalSecondaryIndexes"]) == sorted(i.name for i in INDEXES)
        ttl = unmade.call("describe_time_to_live", TableName=unmade.table)["TimeToLiveDescription"]
        assert (ttl["TimeToLiveStatus"], ttl["AttributeName"]) == ("ENABLED", EXPIRES)

    def test_is_made_once_by_many(self, unmade: Connection) -> None:
        barrier = threading.Barrier(4)

        def make() -> bool:
            barrier.wait()
            return create_table(unmade)

        with ThreadPoolExecutor(4) as pool:
            made = [each.result() for each in [pool.submit(make) for _ in range(4)]]
        assert sorted(made) == [False, False, False, True]

    def test_items_are_in_the_indexes_they_have_attributes_of(self, connection: Connection) -> None:
        key = f"{connection.prefix}one"
        timer = {"dueShard": {"S": key}, "dueAt": {"N": "1"}}
        lane = {"lane": {"S": key}, "laneAt": {"N": "2"}, "lookAt": {"N": "3"}, "run": {"N": "4"}, "other": {"S": "x"}}
        item = {"Key": {"S": key}, "Sort": {"S": "a"}, **timer, **lane}
        connection.call("put_item", TableName=connection.table, Item=item)

        def found(index: str, attribute: str) -> list[dict[str, Any]]:
            answer: list[dict[str, Any]] = connection.call(
                "query",
                TableName=connection.table,
                IndexName=index,
                KeyConditionExpression="#h = :h",
                ExpressionAttributeNames={"#h": attribute},
                ExpressionAttributeValues={":h": {"S": key}},
            )["Items"]
            return answer

        ids = {"Key": {"S": key}, "Sort": {"S": "a"}}
        assert found("due", "dueShard") == [{**ids, **timer}]
        assert found("lane", "lane") == [{**ids, **{name: lane[name] for name in ("lane", "laneAt", "lookAt", "run")}}]
        assert found("listed", "listKey") == found("realm", "realmKey") == []

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            pytest.param(lambda wanted: wanted["KeySchema"].pop(), "its key is Key (S) instead", id="no sort key"),
            pytest.param(
                lambda wanted: wanted["GlobalSecondaryIndexes"].pop(1), "it has no index 'lane'", id="missing index"
            ),
            pytest.param(
                lambda wanted: wanted["GlobalSecondaryIndexes"][1].update(Projection={"ProjectionType": "KEYS_ONLY"}),
                "index 'lane' does not include lookAt, run",
                id="index without attributes",
            ),
            pytest.param(
                lambda wanted: wanted["GlobalSecondaryIndexes"][0]["KeySchema"][1].update(AttributeName="laneAt"),
                "index 'due' is dueShard (S) and laneAt (N) instead of dueShard (S) and dueAt (N)",
                id="other key of an index",
            ),
        ],
    )
    def test_another_one_is_in_its_place(
        self, unmade: Connection, change: Callable[[dict[str, Any]], Any], said: str
    ) -> None:
        wanted = definition(unmade.table)
        change(wanted)
        keys = [wanted["KeySchema"], *(index["KeySchema"] for index in wanted["GlobalSecondaryIndexes"])]
        used = {part["AttributeName"] for key in keys for part in key}
        wanted["AttributeDefinitions"] = [
            each for each in wanted["AttributeDefinitions"] if each["AttributeName"] in used
        ]
        unmade.call("create_table", **wanted)
        with pytest.raises(ConfigurationError) as caught:
            create_table(unmade)
        assert said in caught.value.message

    def test_an_index_with_all_attributes_will_do(self, unmade: Connection) -> None:
        wanted = definition(unmade.table)
        wanted["GlobalSecondaryIndexes"][1]["Projection"] = {"ProjectionType": "ALL"}
        unmade.call("create_table", **wanted)
        assert create_table(unmade) is False

    def test_is_not_there(self, unmade: Connection) -> None:
        with pytest.raises(StorageUnavailable, match="create-table"):
            check_table(unmade)

    def test_items_expire_by_another_attribute(self, unmade: Connection) -> None:
        unmade.call("create_table", **definition(unmade.table))
        specification = {"Enabled": True, "AttributeName": "other"}
        unmade.call("update_time_to_live", TableName=unmade.table, TimeToLiveSpecification=specification)
        with pytest.raises(ConfigurationError, match="'other' instead of 'expiresAt'"):
            create_table(unmade)
