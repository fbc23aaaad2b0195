"""Which texts a storage can keep. Pure."""

from __future__ import annotations

from jobs_flow.errors import InvalidArgument
from jobs_flow.storages.records import NewInstance


def is_text(text: str) -> bool:
    """Whether ``text`` can be stored: half a surrogate pair has no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_names(new: NewInstance) -> None:
    """Raise ``InvalidArgument`` when the id, the realm or the key of an instance cannot be stored."""
    for argument, text in (("id", new.id), ("realm", new.realm), ("key", new.key or "")):
        if not is_text(text):
            raise InvalidArgument(argument=argument, reason="half a surrogate pair cannot be stored")
