"""Strict JSON: what goes in comes out equal, or it is refused with the place and the type named (features S24, S155).

Python's encoder turns an int key into text and NaN into something that is not JSON; both would hand
the next task something else than was returned.
"""

from __future__ import annotations

import json
import math
from typing import Any

from jobs_flow.errors import NotJson

#: Levels of lists and dicts that users' values may have.
MAX_DEPTH = 200


def encode(value: Any, where: str = "the value") -> str:
    """JSON text of ``value``, compact, unicode as it is. Tuples become lists.

    Raises ``NotJson`` naming the place below ``where`` (``the result['rows'][3]``) and the type.
    """
    check(value, where)
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError as error:
        # An int of thousands of digits, which Python does not print.
        raise NotJson(where=where, type_name=f"a value that cannot be written ({error})") from None


def decode(text: str | bytes) -> Any:
    """The value of a JSON text."""
    return json.loads(text)


def printable(text: str) -> str:
    """``text`` with what no UTF-8 can hold written out, ``\\udcff`` for a file name's odd byte."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def check(value: Any, where: str, depth: int = 0) -> None:
    """Raise ``NotJson`` unless ``encode`` can write ``value``, which stands ``depth`` levels deep already."""
    if value is None or isinstance(value, bool | int):
        return
    if isinstance(value, str):
        # A lone surrogate is a Python str that no UTF-8 text, and so no storage, can hold.
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise NotJson(where=where, type_name="text with a lone surrogate") from None
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotJson(where=where, type_name=f"the number {value}")
        return
    if depth > MAX_DEPTH:
        raise NotJson(where=where, type_name=f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        for key, member in value.items():
            if not isinstance(key, str):
                raise NotJson(where=where, type_name=f"a dict with the key {key!r} of type {type(key).__name__}")
            check(key, f"a key of {where}", depth)
            if member is not None:
                check(member, f"{where}[{key!r}]", depth + 1)
    elif isinstance(value, list | tuple):
        for index, member in enumerate(value):
            check(member, f"{where}[{index}]", depth + 1)
    else:
        kind = type(value)
        raise NotJson(where=where, type_name=f"of type {kind.__module__}.{kind.__qualname__}")
