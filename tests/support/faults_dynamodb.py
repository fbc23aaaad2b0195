"""What Amazon's service does and the server of the tests never does: conflicts, throttling, answers that are lost.

Laid over a connection to a real server, between its client and the socket, where the driver sends again.
"""

from __future__ import annotations

import io
import json
import random
from collections import Counter
from typing import Any

from botocore.awsrequest import AWSResponse, HeadersDict

from jobs_flow.storages.dynamodb.connection import Connection

WRITES = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems")


class Faults:
    """Shares of the requests that meet a fault, each from 0 to 1.

    :param conflicts: of writes; nothing is done, and the caller sees the conflict.
    :param throttled: of all; nothing is done, and the driver asks again after a pause.
    :param repeated: of writes; done, and the answer is lost, so that the driver sends the same again.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        conflicts: float = 0.0,
        throttled: float = 0.0,
        repeated: float = 0.0,
        seed: object = 0,
    ) -> None:
        #: How often each of them was met.
        self.met: Counter[str] = Counter()
        self._shares = {"conflicts": conflicts, "throttled": throttled, "repeated": repeated}
        self._random = random.Random(str(seed))
        self._done: set[bytes] = set()
        self._client = connection.client
        self._client.meta.events.register("before-send.dynamodb", self._before_send)

    def end(self) -> None:
        """Take them away."""
        self._client.meta.events.unregister("before-send.dynamodb", self._before_send)

    def _before_send(self, request: Any, event_name: str, **kwargs: Any) -> AWSResponse | None:
        operation = event_name.rpartition(".")[2]
        if self._meets("throttled"):
            return _answer(request, 400, "ThrottlingException")
        if operation not in WRITES or request.body in self._done:
            return None
        if self._meets("conflicts"):
            if operation != "TransactWriteItems":
                return _answer(request, 400, "TransactionConflictException")
            count = len(json.loads(request.body)["TransactItems"])
            reasons = [{"Code": "None"} for _ in range(count)]
            reasons[self._random.randrange(count)] = {"Code": "TransactionConflict", "Message": "by the tests"}
            return _answer(request, 400, "TransactionCanceledException", CancellationReasons=reasons)
        if self._meets("repeated"):
            if (
                self._client._endpoint.http_session.send(request).status_code == 200
                and operation == "TransactWriteItems"
            ):
                # The service knows a transaction that comes again, by its token, and says that it was done.
                self._done.add(request.body)
            return _answer(request, 500, "InternalServerError")
        return None

    def _meets(self, fault: str) -> bool:
        met = self._random.random() < self._shares[fault]
        self.met[fault] += met
        return met


class _Raw(io.BytesIO):
    def stream(self, *args: Any, **kwargs: Any) -> Any:
        yield self.read()


def _answer(request: Any, status: int, code: str, **more: Any) -> AWSResponse:
    body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "by the tests", **more}
    headers = HeadersDict({"content-type": "application/x-amz-json-1.0", "x-amzn-requestid": "tests"})
    return AWSResponse(request.url, status, headers, _Raw(json.dumps(body).encode()))
