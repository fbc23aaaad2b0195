"""Between a client and DynamoDB: what the service may do at any time, and a local server never does."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Body = dict[str, Any]

#: An answer instead of that of the server: status and body.
Answer = tuple[int, Body]


class Fault:
    """One thing that goes wrong. Called by several threads."""

    def before(self, operation: str, request: Body, server: Server) -> Answer | None:
        """The answer without asking the server; ``request`` may be changed."""
        return None

    def after(self, operation: str, request: Body, answer: Body) -> bool:
        """Whether the client gets the answer, which may be changed."""
        return True


class Server:
    """One connection to the server."""

    def __init__(self, host: str, port: int) -> None:
        self._connection = http.client.HTTPConnection(host, port)

    def ask(self, operation: str, request: Body) -> Answer:
        """What it answers."""
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
            "Authorization": "AWS4-HMAC-SHA256 Credential=TESTS/20260101/eu-west-1/dynamodb/aws4_request, "
            "SignedHeaders=host;x-amz-date, Signature=0",
            "X-Amz-Date": "20260101T000000Z",
        }
        self._connection.request("POST", "/", json.dumps(request), headers)
        response = self._connection.getresponse()
        return response.status, json.loads(response.read() or b"{}")

    def close(self) -> None:
        """Close it."""
        self._connection.close()


class FaultyProxy:
    """Passes requests on to the server of a URL; ``faults`` may be changed at any time."""

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        assert parts.hostname, endpoint
        self.faults: list[Fault] = []
        #: Requests by operation, those that the server never saw included.
        self.asked: Counter[str] = Counter()
        host, port, proxy = parts.hostname, parts.port or 80, self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                self.upstream = Server(host, port)

            def finish(self) -> None:
                self.upstream.close()
                with contextlib.suppress(OSError):
                    super().finish()

            def do_POST(self) -> None:
                proxy._pass(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @contextlib.contextmanager
    def having(self, *faults: Fault) -> Iterator[None]:
        """With these faults, for a while."""
        before, self.faults = self.faults, list(faults)
        try:
            yield
        finally:
            self.faults = before

    def close(self) -> None:
        """Stop."""
        self._http.shutdown()
        self._http.server_close()

    def _pass(self, handler: Any) -> None:
        operation = handler.headers["X-Amz-Target"].rpartition(".")[2]
        request = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        self.asked[operation] += 1
        faults = list(self.faults)
        for fault in faults:
            if (answer := fault.before(operation, request, handler.upstream)) is not None:
                self._answer(handler, *answer)
                return
        status, body = handler.upstream.ask(operation, request)
        # Each of them sees it.
        kept = [fault.after(operation, request, body) for fault in faults if status == 200]
        if not all(kept):
            handler.close_connection = True
            handler.connection.close()
            return
        self._answer(handler, status, body)

    def _answer(self, handler: Any, status: int, body: Body) -> None:
        data = json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/x-amz-json-1.0")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)


def error(code: str, status: int = 400, **more: Any) -> Answer:
    """An error as the service says it."""
    return status, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "said by a test", **more}


class Losing(Fault):
    """The answer of the server is lost: the next one, or some of them."""

    def __init__(self, share: float = 0, seed: int = 0, only: Sequence[str] = ()) -> None:
        self._random = random.Random(seed)
        self._share = share
        self._only = only
        self._next = threading.Event()
        self.lost = 0

    def lose_next(self) -> None:
        """Lose the next answer."""
        self._next.set()

    def after(self, operation: str, request: Body, answer: Body) -> bool:
        if self._only and operation not in self._only:
            return True
        if self._next.is_set() or self._random.random() < self._share:
            self._next.clear()
            self.lost += 1
            return False
        return True


class LosingEach(Fault):
    """Of each request the first answer is lost, and the one to the same request that is sent again comes."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self.lost = 0

    def after(self, operation: str, request: Body, answer: Body) -> bool:
        asked = json.dumps([operation, request], sort_keys=True)
        if asked in self._seen:
            self._seen.discard(asked)
            return True
        self._seen.add(asked)
        self.lost += 1
        return False


class Unsaid(Fault):
    """Each transaction is done, and whoever asks is told only that it is under way."""

    def before(self, operation: str, request: Body, server: Server) -> Answer | None:
        if operation != "TransactWriteItems":
            return None
        status, answer = server.ask(operation, request)
        return error("TransactionInProgressException") if status == 200 else (status, answer)


class Refusing(Fault):
    """Some requests, or all, are refused in one of the ways in which a busy service refuses."""

    def __init__(self, share: float = 1, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._share = share

    def before(self, operation: str, request: Body, server: Server) -> Answer | None:
        if self._random.random() >= self._share:
            return None
        ways = [
            error("ProvisionedThroughputExceededException"),
            error("ThrottlingException"),
            error("InternalServerError", 500),
            error("RequestLimitExceeded"),
        ]
        if operation.startswith("Transact"):
            for code in ("ThrottlingError", "TransactionConflict", "ProvisionedThroughputExceeded"):
                reasons = [{"Code": "None"} for _ in request["TransactItems"]]
                reasons[self._random.randrange(len(reasons))]["Code"] = code
                ways.append(error("TransactionCanceledException", CancellationReasons=reasons))
        elif operation in ("PutItem", "UpdateItem", "DeleteItem"):
            ways.append(error("TransactionConflictException"))
        return self._random.choice(ways)


class Failing(Fault):
    """Every request is answered with one error."""

    def __init__(self, code: str, status: int = 400) -> None:
        self._answer = error(code, status)

    def before(self, operation: str, request: Body, server: Server) -> Answer | None:
        return self._answer


class Partial(Fault):
    """Of batches only a part is done, in another order, and pages have two items."""

    def __init__(self) -> None:
        self._left = threading.local()

    def before(self, operation: str, request: Body, server: Server) -> Answer | None:
        self._left.items = {}
        if operation == "Query":
            request["Limit"] = min(2, request.get("Limit", 2))
        if operation == "BatchGetItem":
            for table, wanted in request["RequestItems"].items():
                if len(wanted["Keys"]) > 1:
                    half = len(wanted["Keys"]) // 2
                    self._left.items[table] = {**wanted, "Keys": wanted["Keys"][half:]}
                    wanted["Keys"] = wanted["Keys"][:half]
        if operation == "BatchWriteItem":
            for table, wanted in request["RequestItems"].items():
                if len(wanted) > 1:
                    self._left.items[table], request["RequestItems"][table] = wanted[1::2], wanted[::2]
        return None

    def after(self, operation: str, request: Body, answer: Body) -> bool:
        if operation == "BatchGetItem":
            for items in answer["Responses"].values():
                items.reverse()
            answer["UnprocessedKeys"] = self._left.items
        if operation == "BatchWriteItem":
            answer["UnprocessedItems"] = self._left.items
        return True


class Slow(Fault):
    """Requests take a while, each another one."""

    def __init__(self, seconds: float, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._seconds = seconds

    def before(self, operation: str, request: Body, server: Server) -> Answer | None:
        time.sleep(self._random.uniform(0, self._seconds))
        return None


class Straggling(Fault):
    """A transaction arrives at its items one after the other: reads that are none find some as they were before.

    That is what the service calls read-committed. The next ``reads`` of each item that is no header are such; a
    transaction of reads is refused instead, as long as one is under way.
    """

    def __init__(self, reads: int = 1, seconds: float = 0.03) -> None:
        self._reads = reads
        self._seconds = seconds
        self._lock = threading.Lock()
        self._before: dict[str, tuple[Body | None, int, float]] = {}
        self._local = threading.local()
        self.torn = 0

    def before(self, operation: str, request: Body, server: Server) -> Answer | None:
        if operation == "TransactGetItems":
            keys = [_named(each["Get"]["Key"]) for each in request["TransactItems"]]
            with self._lock:
                under_way = [key for key in keys if self._old(key) is not None]
            if under_way:
                return error(
                    "TransactionCanceledException", CancellationReasons=[{"Code": "TransactionConflict"} for _ in keys]
                )
        if operation == "TransactWriteItems":
            self._local.items = {}
            for each in request["TransactItems"]:
                ((kind, write),) = each.items()
                key = write["Key"] if "Key" in write else {name: write["Item"][name] for name in ("Key", "Sort")}
                if kind != "ConditionCheck" and key["Sort"]["S"].startswith("#."):
                    asked = {"TableName": write["TableName"], "Key": key, "ConsistentRead": True}
                    self._local.items[_named(key)] = server.ask("GetItem", asked)[1].get("Item")
        return None

    def after(self, operation: str, request: Body, answer: Body) -> bool:
        with self._lock:
            if operation == "TransactWriteItems":
                until = time.monotonic() + self._seconds
                for key, item in self._local.items.items():
                    self._before[key] = item, self._reads, until
            elif operation == "GetItem":
                if (old := self._old(_named(request["Key"]), count=True)) is not None:
                    answer.pop("Item", None)
                    answer |= {"Item": old[0]} if old[0] is not None else {}
            elif operation == "BatchGetItem":
                for table, wanted in request["RequestItems"].items():
                    for key in wanted["Keys"]:
                        self._tear(answer["Responses"].setdefault(table, []), key)
            elif operation == "Query" and "IndexName" not in request:
                for item in list(answer["Items"]):
                    self._tear(answer["Items"], {name: item[name] for name in ("Key", "Sort")})
        return True

    def _tear(self, items: list[Body], key: Body) -> None:
        old = self._old(_named(key), count=True)
        if old is None:
            return
        for place, item in enumerate(items):
            if (item["Key"], item["Sort"]) == (key["Key"], key["Sort"]):
                items[place : place + 1] = [] if old[0] is None else [old[0]]
                return

    def _old(self, key: str, count: bool = False) -> tuple[Body | None] | None:
        item, reads, until = self._before.get(key, (None, 0, 0.0))
        if not reads or time.monotonic() > until:
            self._before.pop(key, None)
            return None
        if count:
            self.torn += 1
            self._before[key] = item, reads - 1, until
        return (item,)


def _named(key: Body) -> str:
    return f"{key['Key']['S']}\n{key['Sort']['S']}"
