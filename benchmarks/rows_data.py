"""Many rows of instances at once, made by the database itself: a spread as of a project that has run for a year."""

from __future__ import annotations

import time
from typing import Any

#: Statuses, workflows and realms by how often they are, in thousandths, hundredths and hundredths of all rows.
STATUSES = (("working", 2), ("inactive", 20), ("cancelled", 10), ("failed", 40), ("done", 928))
WORKFLOWS = (
    ("weather_report", 40),
    ("monthly_report", 30),
    ("import", 15),
    ("export", 9),
    ("invoice", 5),
    ("audit", 1),
)
#: The rest of the realms are ``shop-0`` to ``shop-1999``, about 300 rows each.
REALMS = (("", 30), ("big", 10))
SHOPS = 2_000
NAMES = ("Rain", "Sun", "Report", "Invoice", "Nightly import", "abc", "Customers")
#: A row each so many milliseconds, the last one now.
INTERVAL = 31_000
#: One row in so many has data of LONG characters.
RARE = 2_000
LONG = 100_000
BATCH = 50_000

COLUMNS = (
    "id, workflow, name, realm, `key`, key_digest, owner_id, data, base_context, fingerprint, ephemeral, status, "
    "progress, run, error, seq, created_at, updated_at, started_at, finished_at"
)


class Dialect:
    """What the databases spell differently."""

    def __init__(self, vendor: str) -> None:
        self.mysql = vendor == "mysql"

    def numbers(self, first: int, last: int) -> str:
        """A table ``s`` with the numbers in its column ``n``."""
        if self.mysql:
            return f"(SELECT seq AS n FROM seq_{first}_to_{last}) s"
        every = (
            f"WITH RECURSIVE c(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM c WHERE n < {last}) SELECT n FROM c"
        )
        return f"({every}) s"

    def joined(self, *parts: str) -> str:
        """Texts, one after the other."""
        return f"CONCAT({', '.join(parts)})" if self.mysql else " || ".join(parts)

    def hexadecimal(self, number: str, width: int) -> str:
        """A number as text."""
        return f"LPAD(LOWER(HEX({number})), {width}, '0')" if self.mysql else f"printf('%0{width}x', {number})"

    def divided(self, number: str, by: int) -> str:
        """Without the rest."""
        return f"({number} DIV {by})" if self.mysql else f"({number} / {by})"

    def moment(self, milliseconds: str) -> str:
        """Epoch milliseconds as a column of Django's."""
        if self.mysql:
            return f"(TIMESTAMP'1970-01-01 00:00:00' + INTERVAL ({milliseconds}) * 1000 MICROSECOND)"
        return f"strftime('%Y-%m-%d %H:%M:%f000', ({milliseconds}) / 1000.0, 'unixepoch')"

    def long_text(self) -> str:
        """A text of LONG characters."""
        return f"REPEAT('x', {LONG})" if self.mysql else f"printf('%0{LONG}d', 0)"


def chosen(number: str, options: tuple[tuple[str, int], ...], otherwise: str) -> str:
    """SQL that gives one of the options by a number from 0 up."""
    text, bound = "CASE", 0
    for name, share in options:
        bound += share
        text += f" WHEN {number} < {bound} THEN '{name}'"
    return f"{text} ELSE {otherwise} END"


def fill(connection: Any, count: int, owners: list[int]) -> float:
    """Write ``count`` rows, and have the database count its indexes; the seconds that it took."""
    began = time.perf_counter()
    dialect = Dialect(connection.vendor)
    start = int(time.time() * 1000) - count * INTERVAL
    for first in range(1, count + 1, BATCH):
        with connection.cursor() as cursor:
            cursor.execute(_statement(dialect, first, min(first + BATCH - 1, count), start, owners))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE TABLE jobs_flow_instance" if dialect.mysql else "ANALYZE")
    return time.perf_counter() - began


def _statement(dialect: Dialect, first: int, last: int, start: int, owners: list[int]) -> str:
    # Numbers that look like chance and are the same each time.
    shuffled, other = "(n * 7368787 % 1000003)", "(n * 6364139 % 999983)"
    born = f"({start} + n * {INTERVAL})"
    status = chosen(f"{shuffled} % 1000", STATUSES, "'done'")
    shop = dialect.joined("'shop-'", f"({dialect.divided(other, 100)} % {SHOPS})")
    name = dialect.joined(chosen(f"{other} % {len(NAMES)}", tuple((each, 1) for each in NAMES), "''"), "' '", "n")
    time_part = dialect.hexadecimal(born, 12)
    text = dialect.hexadecimal(shuffled, 12)
    instance_id = dialect.joined(
        f"SUBSTR({time_part}, 1, 8)", "'-'", f"SUBSTR({time_part}, 9, 4)", "'-7'",
        dialect.hexadecimal(f"({other} % 4096)", 3), "'-8000-'", text,
    )  # fmt: skip
    short = dialect.joined("'{\"month\": '", "(n % 12)", "'}'")
    long = dialect.joined('\'{"text": "\'', dialect.long_text(), "'\"}'")
    failure = '\'{"code": "EXECUTION_FAILED", "message": "it is not a number", "path": "#.load"}\''
    owner = chosen("n % 100", tuple((str(each), 4) for each in owners), "NULL")
    ended = dialect.moment(f"{born} + 60000")
    values = {
        "id": instance_id,
        "workflow": chosen(f"{dialect.divided(shuffled, 1000)} % 100", WORKFLOWS, "'audit'"),
        "name": name,
        "realm": chosen(f"{other} % 100", REALMS, shop),
        "key": "NULL",
        "key_digest": "NULL",
        "owner_id": owner,
        "data": f"CASE WHEN n % {RARE} = 0 THEN {long} ELSE {short} END",
        "base_context": "'{}'",
        "fingerprint": "'0123456789abcdef0123456789abcdef'",
        "ephemeral": "0",
        "status": status,
        "progress": "0.5",
        "run": "1",
        "error": f"CASE WHEN {status} = 'failed' THEN {failure} END",
        "seq": "40",
        "created_at": dialect.moment(born),
        "updated_at": ended,
        "started_at": dialect.moment(f"{born} + 1000"),
        "finished_at": f"CASE WHEN {status} NOT IN ('working', 'inactive') THEN {ended} END",
    }
    columns = COLUMNS if dialect.mysql else COLUMNS.replace("`", '"')
    assert [column.strip("` ") for column in COLUMNS.split(",")] == list(values)
    return (
        f"INSERT INTO jobs_flow_instance ({columns}) SELECT {', '.join(values.values())} "
        f"FROM {dialect.numbers(first, last)}"
    )
