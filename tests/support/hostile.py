"""Messages that nobody who means well sends: for the tests that a server outlives them. Random, with a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from tests.support.schema import DEFINITIONS, by_type

#: Texts that have broken something somewhere.
WORDS = (
    "", " ", "\0", "a\0b", "\n", "\r\nX: y", "\u202e", "\ufeff", "\ud800", "\udfff\ud800", "💣" * 50, "é" * 199,
    "x" * 201, "#", "#.", "..", "#..a", "#.a.b.c", "#." * 300, "../../etc/passwd", "..\\..\\windows", "%2e%2e%2f",
    "/etc/passwd\0.png", "{0.__class__}", "%s%n%x", "{{7*7}}", "${jndi:ldap://x}", "'; DROP TABLE x; --",
    "<script>alert(1)</script>", "__proto__", "constructor", "null", "undefined", "NaN", "true", "-1", "1e999",
    "0x10", "*", "?", "a:b", "a{b}c", "$ref",
)  # fmt: skip
NUMBERS = (
    0, -1, 1, 9, 10, 1000, 1001, 2**31, -(2**31), 2**53 - 1, 2**53, 2**63, 2**64, 10**300, -(10**300),
    0.5, -0.0, 1e308, 5e-324, 1.0,
)  # fmt: skip
#: JSON that is none, or hardly.
RUBBISH = (
    "", " ", "{", "}", "[", "nul", "null", "true", "42", '"text"', "[]", "{}", "{{}}", '{"type"}',
    "{'type': 1}", "\ufeff{}", '{"type": NaN}', '{"type": Infinity}', '{"type": 1e999}',
    '{"type":"watchWorkflowInstance","type":"dance"}', "\0",
    '{"type": "watchWorkflowInstance", "workflowId": "\\ud800"}', "// comment", '{"a":1,}', "\x1b[31m",
    "GET / HTTP/1.1\r\n",
)  # fmt: skip


class Hostile:
    """Makes messages. ``ids`` are of instances that the sender may not see, or has nothing to do with."""

    def __init__(self, seed: int, ids: list[str]) -> None:
        self.random = random.Random(seed)
        self.ids = ids
        self._requests = by_type("Request")

    def text(self) -> str:
        """A text frame, or the body of a request."""
        chance = self.random.random()
        if chance < 0.2:
            return self.random.choice(RUBBISH)
        if chance < 0.215:
            return self.random.choice(self._large)()
        text = json.dumps(self.request())
        if chance < 0.4:
            return text[: self.random.randrange(len(text))]
        if chance < 0.6:
            at = self.random.randrange(len(text))
            return text[:at] + self.random.choice('\0"{}[]\\,:é💣0') + text[at + 1 :]
        return text

    def request(self) -> dict[str, Any]:
        """Almost one."""
        kind = self.random.choice(list(self._requests))
        message = self._well_formed(kind)
        for _ in range(self.random.choice((0, 1, 2, 3))):
            field = self.random.choice([*DEFINITIONS[self._requests[kind]]["properties"], "colour", "__proto__", ""])
            if self.random.random() < 0.2:
                message.pop(field, None)
            else:
                message[field] = self.value()
        return message

    def value(self, depth: int = 0) -> Any:
        """Anything."""
        match self.random.randrange(8 if depth < 3 else 5):
            case 0:
                return self.random.choice(WORDS)
            case 1:
                return self.random.choice(NUMBERS)
            case 2:
                return self.random.choice((None, True, False))
            case 3:
                return self.random.choice(self.ids)
            case 4:
                return self.random.choice(WORDS) * self.random.choice((1, 20))
            case 5:
                return [self.value(depth + 1) for _ in range(self.random.randrange(4))]
            case 6:
                return {self.random.choice(WORDS): self.value(depth + 1) for _ in range(self.random.randrange(4))}
        return [self.value(3)] * self.random.choice((1, 150))

    def ticket(self) -> str:
        """A forged one."""
        known = "WyJpIiwxXQ:" + "A" * 43
        return self.random.choice((known, "", ":", "a:b:c", "x" * 1_000, "W10:1:sig", known[::-1], "💣:💣", known * 20))

    def path(self) -> str:
        """The path and query of a request to the HTTP door, or beside it."""
        one = self.random.choice(
            (
                *self.ids,
                "..%2f..%2fetc%2fpasswd",
                "%00",
                "%ff%fe",
                "x" * 300,
                "%F0%9F%92%A3",
                "a%0d%0ab",
                "%2e%2e",
                "'--",
            )
        )
        query = self.random.choice(
            ("", "?since=-1", "?since=x", "?since=" + "9" * 400, "?fold=1", "?logs=%00", "?ticket=x")
        )
        if self.random.random() < 0.3:
            query = "?ticket=" + self.random.choice(("WyJpIiwxXQ:A", "a" * 900, "a" * 1_100, "%ff", ":::"))
        return f"/jobs-flow/instances/{one}/" + self.random.choice(("", "events/")) + query

    def _well_formed(self, kind: str) -> dict[str, Any]:
        path = self.random.choice(("#", "#.a", "#.nowhere", "#.a.b"))
        known: dict[str, Any] = {
            "workflowId": self.random.choice(self.ids),
            "workflow": "nobody_knows",
            "taskPath": path,
            "from": self.random.choice((0, 5, 2**53 - 1)),
            "visible": self.random.random() < 0.9,
            "updaters": [{"a": {"$set": 1}}],
            "since": self.random.choice((0, 1, 10**6, 2**53 - 1)),
            "fold": self.random.choice((10, 1000)),
            "limit": self.random.choice((1, 1000)),
            "ticket": self.ticket(),
            "ref": self.random.choice((None, 1, "r", "x" * 200)),
            "arg": self.random.choice(NUMBERS),
        }
        definition = DEFINITIONS[self._requests[kind]]
        fields = {name: known[name] for name in definition["required"] if name in known}
        for name in definition["properties"]:
            if name in known and self.random.random() < 0.5:
                fields[name] = known[name]
        return fields | {"type": kind}

    @property
    def _large(self) -> tuple[Callable[[], str], ...]:
        return (
            lambda: "[" * 30_000,
            lambda: '{"a":' * 10_000,
            lambda: json.dumps({"type": "executeAllTasks", "workflowId": self.ids[0], "initialArg": "x" * 65_400}),
            lambda: json.dumps({"type": "executeAllTasks", "workflowId": self.ids[0], "initialArg": "x" * 70_000}),
            lambda: json.dumps({"type": "setContextUpdaters", "workflowId": self.ids[0], "updaters": [{}] * 20_000}),
            lambda: json.dumps({"type": "é" * 30_000}),
            lambda: '{"type": ' + "9" * 5_000 + "}",
            lambda: " " * 65_000 + "{}",
            lambda: json.dumps({str(number): number for number in range(5_000)}),
        )
