"""Python annotations -> TypeScript types of the JSON that a record holds.

What JSON cannot hold, and what is not understood, is ``unknown``: a type that is too wide makes a reader look,
one that is wrong makes a page fail. ``TypedDict``s and dataclasses become interfaces of their own.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import re
import types
import typing
from collections import abc
from collections.abc import Iterable
from typing import Any

from jobs_flow.workflows.signatures import hints_of

UNKNOWN = "unknown"

_PLAIN: dict[Any, str] = {
    None: "null",
    type(None): "null",
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    typing.LiteralString: "string",
    typing.NoReturn: "never",
    typing.Never: "never",
    list: "unknown[]",
    tuple: "unknown[]",
    dict: "{ [key: string]: unknown }",
}
#: Only as annotations: a value of one of these may be a set or a generator, which JSON does not hold, or a list.
_LISTS = (list, abc.Sequence, abc.MutableSequence, abc.Collection)
_DICTS = (dict, abc.Mapping, abc.MutableMapping)
_WRAPPERS = (typing.Final, typing.ClassVar, typing.Required, typing.NotRequired)
#: Words that name types or begin statements in TypeScript.
_RESERVED = frozenset(
    {
        *("any", "bigint", "boolean", "never", "null", "number", "object", "string", "symbol", "undefined", "unknown"),
        *("void", "break", "case", "catch", "class", "const", "continue", "debugger", "default", "delete", "do"),
        *("else", "enum", "export", "extends", "false", "finally", "for", "function", "if", "import", "in"),
        *("instanceof", "new", "return", "super", "switch", "this", "throw", "true", "try", "typeof", "var"),
        *("while", "with"),
    }
)


class Interfaces:
    """The interfaces that some annotations need, each class once.

    ``of`` gives texts with marks in the place of names; ``finish`` puts in the names, which are known only when
    all classes are: two of the same name get that of their module in front.
    """

    def __init__(self) -> None:
        self._bodies: dict[type, str] = {}
        #: Those that are being written out.
        self._aliases: list[Any] = []

    def of(self, annotation: Any) -> str:
        """The TypeScript type of an annotation that has been evaluated."""
        if type(annotation).__name__ == "TypeAliasType":  # typing's, from Python 3.12 on
            return self._alias(annotation)
        if isinstance(annotation, typing.NewType):
            return self.of(annotation.__supertype__)
        if isinstance(annotation, typing.TypeVar):
            return self.of(annotation.__bound__) if annotation.__bound__ else UNKNOWN
        try:
            if annotation in _PLAIN:
                return _PLAIN[annotation]
        except TypeError:  # unhashable: Annotated with a list in it
            pass
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is not None:
            return self._generic(origin, arguments)
        return self._class(annotation) if isinstance(annotation, type) else UNKNOWN

    def _alias(self, alias: Any) -> str:
        if alias in self._aliases:
            return UNKNOWN  # a recursive one has no end that could be written out
        self._aliases.append(alias)
        try:
            return self.of(alias.__value__)
        finally:
            self._aliases.pop()

    def _generic(self, origin: Any, arguments: tuple[Any, ...]) -> str:
        if origin is typing.Annotated or origin in _WRAPPERS:
            return self.of(arguments[0])
        if origin in (typing.Union, types.UnionType):
            return union(self.of(each) for each in arguments)
        if origin is typing.Literal:
            return union(_literal(each) for each in arguments)
        if origin in _LISTS and len(arguments) == 1:
            return _list(self.of(arguments[0]))
        if origin is tuple:
            return self._tuple(arguments)
        if origin in _DICTS and len(arguments) == 2:
            return self._dict(*arguments)
        if origin in (abc.Awaitable, abc.Coroutine):
            return self.of(arguments[-1])
        return self._class(origin) if isinstance(origin, type) else UNKNOWN

    def _tuple(self, arguments: tuple[Any, ...]) -> str:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return _list(self.of(arguments[0]))
        if any(typing.get_origin(each) is typing.Unpack for each in arguments):
            return "unknown[]"
        return f"[{', '.join(self.of(each) for each in arguments)}]"

    def _dict(self, key: Any, value: Any) -> str:
        keys = self.of(key)
        if keys == "string":
            return f"{{ [key: string]: {self.of(value)} }}"
        if all(map(_is_text, _parts(keys))):
            return f"{{ [key in {keys}]?: {self.of(value)} }}"
        # A key that is no text is refused by the records.
        return UNKNOWN

    def _class(self, cls: type) -> str:
        if issubclass(cls, enum.Enum):
            return union(_literal(member) for member in cls)
        if typing.is_typeddict(cls) or dataclasses.is_dataclass(cls):
            return self._interface(cls)
        if issubclass(cls, tuple) and hasattr(cls, "_fields"):
            hints = hints_of(cls)
            return f"[{', '.join(self.of(hints.get(name)) if name in hints else UNKNOWN for name in cls._fields)}]"
        for base in (str, bool, int, float):
            # What is one of these is written as one.
            if issubclass(cls, base):
                return _PLAIN[base]
        return UNKNOWN

    def _interface(self, cls: type) -> str:
        if cls not in self._bodies:
            self._bodies[cls] = ""  # before its fields: they may name it again
            hints = hints_of(cls)
            names = list(hints) if typing.is_typeddict(cls) else [field.name for field in dataclasses.fields(cls)]
            optional: frozenset[str] = getattr(cls, "__optional_keys__", frozenset())
            lines = []
            for name in names:
                hint = hints.get(name, Any)
                left_out = typing.get_origin(hint) is typing.NotRequired or (
                    name in optional and typing.get_origin(hint) is not typing.Required
                )
                lines.append(f"  {member(name)}{'?' if left_out else ''}: {self.of(hint)};\n")
            self._bodies[cls] = "".join(lines)
        return f"\0{list(self._bodies).index(cls)}\0"

    def finish(self, text: str) -> tuple[str, list[str]]:
        """``text`` with names for marks, and the declarations that it needs, sorted by name."""
        names = [*_names(list(self._bodies))]

        def named(text: str) -> str:
            return re.sub("\0(\\d+)\0", lambda found: names[int(found[1])], text)

        declared = (
            f"export interface {name} {{\n{named(body)}}}\n"
            for name, body in sorted(zip(names, self._bodies.values(), strict=True))
        )
        return named(text), list(declared)


def _names(classes: list[type]) -> Iterable[str]:
    """A name for each class, unlike all others."""
    plain = [_identifier(cls.__name__) for cls in classes]
    taken: set[str] = set()
    for cls, name in zip(classes, plain, strict=True):
        if plain.count(name) > 1:
            words = re.split(r"[._]+", cls.__module__)
            name = _identifier("".join(word[:1].upper() + word[1:] for word in words if word) + name)
        unique, number = name, 2
        while unique in taken:
            unique, number = f"{name}{number}", number + 1
        taken.add(unique)
        yield unique


def _identifier(name: str) -> str:
    name = re.sub(r"\W", "_", name)
    return f"_{name}" if name in _RESERVED or not name.isidentifier() else name


def member(name: str) -> str:
    """``name`` as that of a property."""
    return name if name.isascii() and name.isidentifier() else json.dumps(name)


def union(parts: Iterable[str]) -> str:
    """One of them: each once, null last; ``unknown`` where one is unknown."""
    found = list(dict.fromkeys(part for each in parts for part in _parts(each)))
    if UNKNOWN in found:
        return UNKNOWN
    if "boolean" in found:
        found = [each for each in found if each not in ("true", "false")]
    if "string" in found:
        found = [each for each in found if not _is_text(each)]
    found.sort(key="null".__eq__)
    return " | ".join(each for each in found if each != "never") or "never"


def _parts(text: str) -> list[str]:
    """The alternatives of a type; a bar within brackets or quotes separates none."""
    parts, depth, start, quoted, escaped = [], 0, 0, False, False
    for position, letter in enumerate(text):
        if quoted:
            quoted = escaped or letter != '"'
            escaped = letter == "\\" and not escaped
        elif letter == '"':
            quoted = True
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        elif letter == "|" and depth == 0:
            parts.append(text[start:position].strip())
            start = position + 1
    return [*parts, text[start:].strip()]


def _is_text(alternative: str) -> bool:
    """Whether it is one string and nothing else, not a list of it say."""
    return alternative.startswith('"') and alternative.endswith('"')


def _list(item: str) -> str:
    return f"({item})[]" if len(_parts(item)) > 1 else f"{item}[]"


def _literal(value: Any) -> str:
    if isinstance(value, enum.Enum) and not isinstance(value, str | int | float):
        return UNKNOWN  # JSON holds no such member
    if isinstance(value, enum.Enum):
        value = value.value
    return json.dumps(value) if value is None or isinstance(value, str | int | float) else UNKNOWN
