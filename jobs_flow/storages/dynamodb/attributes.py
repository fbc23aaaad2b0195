"""Items as dicts of text, numbers, bytes and pointers, and as the service writes them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class ItemKey(NamedTuple):
    """Hash and range key of an item."""

    key: str
    sort: str


class Pointer(NamedTuple):
    """Stands in an attribute whose text is kept in items of its own: its name, bytes, and number of chunks."""

    name: str
    length: int
    chunks: int


Value = str | int | bytes | Pointer


Attributes = dict[str, Value]


@dataclass(frozen=True, slots=True)
class Write:
    """One item of a transaction: attributes to set and to remove, or the item to delete."""

    at: ItemKey
    put: Mapping[str, Value] = field(default_factory=dict)
    remove: Sequence[str] = ()
    #: Set ``put`` as the whole item, whatever there was.
    whole: bool = False
    delete: bool = False
    #: A condition, with the values it names.
    condition: str | None = None
    values: Mapping[str, Value] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    #: Gives the whole item as it then is, where ``put`` is only what is different.
    rest: Callable[[], Attributes] | None = None

    def size(self) -> int:
        """About how many bytes it is in a request."""
        # The service counts items, not requests: of one that is updated that is all of it.
        whole = self.put if self.rest is None else self.rest()
        return 200 + sum(len(name) + _size(value) for name, value in whole.items())


def key_of(at: ItemKey) -> dict[str, Any]:
    return {"Key": {"S": at.key}, "Sort": {"S": at.sort}}


def projection(only: Sequence[str]) -> dict[str, Any]:
    if not only:
        return {}
    names = {f"#p{n}": name for n, name in enumerate(only)}
    return {"ProjectionExpression": ",".join(names), "ExpressionAttributeNames": names}


def _size(value: Value) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    return len(value) if isinstance(value, bytes) else 20


def encode_one(value: Value) -> dict[str, Any]:
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bytes):
        return {"B": value}
    if isinstance(value, Pointer):
        return {"M": encode({"name": value.name, "length": value.length, "chunks": value.chunks})}
    return {"N": str(value)}


def encode(item: Mapping[str, Value]) -> dict[str, Any]:
    """Attributes as the service takes them."""
    return {name: encode_one(value) for name, value in item.items()}


def decode(item: Mapping[str, Any]) -> Attributes:
    """Attributes as the service gives them."""
    return {name: _decode(value) for name, value in item.items()}


def _decode(typed: Mapping[str, Any]) -> Value:
    ((kind, value),) = typed.items()
    match kind:
        case "S":
            return str(value)
        case "N":
            return int(value)
        case "B":
            return bytes(value)
        case "M":
            return Pointer(value["name"]["S"], int(value["length"]["N"]), int(value["chunks"]["N"]))
    raise ValueError(f"no attribute of ours is of type {kind}")
