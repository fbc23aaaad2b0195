"""Text for pictures: without what a picture cannot hold, clipped to a width, numbers and times as people read them."""

from __future__ import annotations

import unicodedata

ELLIPSIS = "…"

#: Joiners inside words and emoji: the only invisible characters that are kept. The others can turn a line round.
_JOINERS = "\u200c\u200d"
_DROPPED = frozenset({"Cc", "Cf", "Cs"})
_SPACES = frozenset({"Zl", "Zp", "Zs"})

#: Widths in ems, those of a wide sans-serif font in bold or wider: what is said to fit does fit.
_WIDTHS = {
    **dict.fromkeys("fijltrI.,:;'`!|()[]{}/\\- ", 0.46),
    ELLIPSIS: 1.0,
    **dict.fromkeys("mwMW%@", 1.12),
    **dict.fromkeys("ABCDEFGHJKLNOPQRSTUVXYZ&#+<>=~_", 0.82),
}
_NARROW, _OTHER, _WIDE = 0.7, 0.9, 1.1


def clean(text: object) -> str:
    """``text`` in one line, without control characters, lone surrogates and marks that change the writing direction."""
    kept = []
    for char in str(text):
        category = unicodedata.category(char)
        if category in _SPACES or char in "\t\n\r\x0b\x0c\x85":
            kept.append(" ")
        elif (category not in _DROPPED or char in _JOINERS) and char not in "\ufffe\uffff":
            kept.append(char)
    return " ".join("".join(kept).split())


def width(text: str, size: float) -> float:
    """About how wide ``text`` is in a font of ``size``; rather too much than too little."""
    return size * sum(map(_em, text))


def clip(text: str, room: float, size: float) -> str:
    """``text``, or as much of its beginning as fits into ``room``, with an ellipsis."""
    if width(text, size) <= room:
        return text
    left = room - width(ELLIPSIS, size)
    end = 0
    for char in text:
        left -= size * _em(char)
        if left < 0:
            break
        end += 1
    # A mark or a joiner belongs to the character before it, which is cut off with it.
    while end and (unicodedata.combining(text[end]) or text[end] in _JOINERS or text[end - 1] in _JOINERS):
        end -= 1
    return text[:end].rstrip() + ELLIPSIS


def number(count: int) -> str:
    """``12 345``; the spaces do not break."""
    return f"{count:,}".replace(",", "\xa0")


def duration(milliseconds: float) -> str:
    """``250 ms``, ``2.5 s``, ``12 s``, ``3 min 20 s``, ``5 h 3 min``."""
    milliseconds = max(round(milliseconds), 0)
    seconds = milliseconds / 1000
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{number(hours)} h {minutes} min"


def _em(char: str) -> float:
    found = _WIDTHS.get(char)
    if found is not None:
        return found
    if char < "\x7f":
        return _NARROW
    if unicodedata.combining(char) or char in _JOINERS:
        return 0.0
    return _WIDE if unicodedata.east_asian_width(char) in "WF" else _OTHER
