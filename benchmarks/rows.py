"""The pages that list instances, at a million rows: ``python -m benchmarks.rows``, or ``make benchmark-rows``.

A throw-away MariaDB with a buffer pool of 64 MB, so that most of the table is never in it, or SQLite
(``--sqlite``). The admin's pages are asked for with Django's test client, as a superuser and as a user who may only
view, and the first page of the API. For each the milliseconds of its first visit, after the server was started
again, the median of some more, what of the last one the database took, and the number of queries. Ends with 1 when a
median is over the limit. The times are those of a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from benchmarks import rows_data
from tests.support.processes import session_directory
from tests.support.servers import MariaDB, Valkey

URL = "/admin/jobs_flow_django/workflowinstance/"
#: Milliseconds.
LIMIT = 300
#: Parameters of each filter, from the frequent to the rare.
FILTERS = {
    "status": [{"status__exact": value} for value in ("done", "failed", "working")],
    "workflow": [{"workflow": value} for value in ("weather_report", "audit")],
    "realm": [{"realm": value} for value in ("big", "shop-7", "nobody")],
}
SEARCHES = ("Rain", "Customers 99", "abc 1", "01a", "zzz")

Visit = Callable[[], Any]


def main() -> None:
    """Make the rows, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, help="1 000 000, on SQLite 100 000")
    parser.add_argument("--sqlite", action="store_true", help="instead of MariaDB")
    parser.add_argument("--visits", type=int, default=5, help="of each page, after the first")
    parser.add_argument("--slow", type=int, default=LIMIT, help="milliseconds beyond which a page's queries are shown")
    options = parser.parse_args()
    count = options.rows or (100_000 if options.sqlite else 1_000_000)
    server = None if options.sqlite else MariaDB.start()
    with Valkey(name="benchmark-rows", watched=False) as valkey:
        try:
            sys.exit(measure(server, valkey, count, options.visits, options.slow))
        finally:
            if server is not None:
                server.stop()


def measure(server: MariaDB | None, valkey: Valkey, count: int, visits: int, slow: int) -> int:
    """Print the table; the exit code."""
    _configure(server, valkey)
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    users = _users()
    seconds = rows_data.fill(connection, count, [user.pk for user in users[1]])
    print(f"{count:,} rows on {connection.vendor}, made in {seconds:.0f} s")
    print(f"{'':<72}{'first':>8}{'median':>8}{'database':>10}{'queries':>9}")
    worst = 0.0
    for name, visit, fresh in _visits(*users):
        if fresh:
            connection.close()
            if server is not None and server.is_ours:
                server.restart()
            visit()
        else:
            worst = max(worst, _measured(name, visit, visits, slow))
    print(f"{'the slowest':<72}{'':>8}{worst:>8.0f}   of {LIMIT} that are allowed")
    _realm(connection)
    return int(worst > LIMIT)


def _configure(server: MariaDB | None, valkey: Valkey) -> None:
    directory = session_directory()
    url = f"sqlite:///{directory}/rows.sqlite3" if server is None else server.create_database("jobs_flow_rows")
    os.environ.update(
        DJANGO_SETTINGS_MODULE="testproject.settings",
        DATABASE_URL=url,
        TESTPROJECT_VAR=str(directory / "var"),
        JOBS_FLOW_STORAGE_URL=valkey.database(1),
        CELERY_BROKER_URL=valkey.database(0),
    )
    import django

    django.setup()


def _users() -> tuple[list[Any], list[Any]]:
    """Who looks: a superuser, and one who may view; and the owners of instances."""
    from django.contrib.auth.models import Permission, User

    root = User.objects.create_superuser("root")
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_workflowinstance"))
    return [root, viewer], [User.objects.create_user(f"owner{number}") for number in range(5)]


def _visits(readers: list[Any], owners: list[Any]) -> Iterator[tuple[str, Visit, bool]]:
    """Name, what to do, and whether it only warms up the process, after the server was started again."""
    from django.test import Client

    from jobs_flow_django.admin import dashboard

    for reader in readers:
        client = Client(headers={"host": "localhost"})
        client.force_login(reader)
        yield "", lambda client=client: client.get("/admin/"), True  # type: ignore[misc]
        for name, query in _pages():

            def get(query: str = query, client: Client = client) -> Any:
                response = client.get(URL + query)
                assert response.status_code == 200, response
                return response

            yield f"{reader.username}: {name}", get, False
        for name, query in (("last 24 hours", ""), ("last 24 hours, big", "?realm=big")):

            def look(query: str = query, client: Client = client) -> Any:
                # Each visit a look of its own.
                dashboard.forget()
                response = client.get(f"{URL}dashboard/{query}")
                assert response.status_code == 200, response
                return response

            yield f"{reader.username}: {name}", look, False
        if reader.is_superuser:
            yield from _actions(client, reader.username)
    yield "", lambda: None, True
    yield from _api()


def _pages() -> Iterator[tuple[str, str]]:
    yield "first page", ""
    yield "oldest first", "?o=6"
    for days in (0, 30, 200, 355):
        yield f"page after {days} days", "?" + urlencode({"after": _mark(days)})
    yield "page before, from the middle", "?" + urlencode({"before": _mark(180)})
    for chosen in _combinations():
        name = ", ".join(chosen.values())
        yield name, "?" + urlencode(chosen)
        yield f"{name}, page in the middle", "?" + urlencode({**chosen, "after": _mark(180)})
    for chosen in ({}, {"status__exact": "working"}, {"workflow": "audit"}, {"workflow": "weather_report"}):
        for name, since, until in (("today", 0, -1), ("this year", 300, -1), ("one day long ago", 301, 300)):
            bounds = {"created_at__gte": _day(since), "created_at__lt": _day(until)}
            yield ", ".join([*chosen.values(), name]), "?" + urlencode({**chosen, **bounds})
    for text in SEARCHES:
        for chosen in ({}, {"status__exact": "failed"}, {"workflow": "audit"}, {"realm": "big"}):
            yield ", ".join([*chosen.values(), f"search {text!r}"]), "?" + urlencode({**chosen, "q": text})


def _combinations() -> Iterator[dict[str, str]]:
    """Each filter, each two and all three together."""
    for number in (1, 2, 3):
        for names in itertools.combinations(FILTERS, number):
            for parts in itertools.product(*(FILTERS[name] for name in names)):
                yield {key: value for part in parts for key, value in part.items()}


def _actions(client: Any, reader: str) -> Iterator[tuple[str, Visit, bool]]:
    """The page that asks before a batch of a realm is destroyed."""
    from jobs_flow_django.models import WorkflowInstance

    chosen = list(WorkflowInstance.objects.in_realm("big").values_list("pk", flat=True)[:50])
    form = {"action": "delete_selected", "_selected_action": chosen}
    yield f"{reader}: destroy a page of a realm, asked for", lambda: client.post(f"{URL}?realm=big", form), False


def _api() -> Iterator[tuple[str, Visit, bool]]:
    from jobs_flow_django import jobs

    names = {"status__exact": "status"}
    for chosen in [{}, *_combinations()]:
        filters = {names.get(key, key): value for key, value in chosen.items()}
        nothing: dict[str, Any] = {"realm": None, "workflow": None, "status": None, "after": None, "limit": 100}
        ids = jobs.index.page(**{**nothing, **filters})
        _record(jobs, ids)

        def ask(filters: dict[str, str] = filters, expected: int = len(ids)) -> Any:
            found = jobs.get_all_workflows(**filters)
            assert len(found) == expected, (len(found), expected)
            return found

        yield "API: " + (", ".join(filters.values()) or "first page"), ask, False


def _record(jobs: Any, ids: list[str]) -> None:
    """Headers of those rows, as the storage would have them; a million would not fit beside the rest."""
    import json

    from jobs_flow.storages.records import NewInstance
    from jobs_flow_django.models import WorkflowInstance

    for row in WorkflowInstance.objects.filter(pk__in=ids):
        if jobs.storage.get_instance(row.pk) is None:
            fields = {"id": row.pk, "workflow": row.workflow, "data": {}, "base_context": {}, "fingerprint": "f"}
            jobs.storage.create_instance(NewInstance(**fields, tree=(), paths=(), realm=row.realm, name=row.name))
            jobs.storage._client.hset(f"workflow_{row.pk}", "status", json.dumps(row.status))


def _measured(name: str, visit: Visit, visits: int, slow: int) -> float:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    times = []
    for number in range(visits + 1):
        with CaptureQueriesContext(connection) as queries:
            began = time.perf_counter()
            visit()
            times.append((time.perf_counter() - began) * 1000)
        if number == 0:
            first = queries.captured_queries
    median = statistics.median(times[1:])
    asked = sum(float(query["time"]) for query in queries.captured_queries) * 1000
    figures = f"{times[0]:>8.0f}{median:>8.0f}{asked:>10.0f}{len(first):>9}"
    print(f"{name:<72}{figures}{'   SLOW' if median > LIMIT else ''}", flush=True)
    if median > slow and asked > slow / 3:
        for query in queries.captured_queries:
            print(f"    {query['time']} s {query['sql'][:1000]}")
            if query["sql"].startswith("SELECT"):
                with connection.cursor() as cursor:
                    cursor.execute(f"EXPLAIN {'' if connection.vendor == 'mysql' else 'QUERY PLAN '}{query['sql']}")
                    print(*(f"        {row}" for row in cursor.fetchall()), sep="\n")
    return median


def _realm(connection: Any) -> None:
    """What it takes to forget the rows of a large realm, and how long the longest statement was."""
    from django.test.utils import CaptureQueriesContext

    from jobs_flow_django import jobs
    from jobs_flow_django.models import WorkflowInstance

    rows = WorkflowInstance.objects.in_realm("big").count()
    longest, began = 0.0, time.perf_counter()
    after = None
    while ids := jobs.index.page(realm="big", status=None, workflow=None, after=after, limit=100):
        with CaptureQueriesContext(connection):
            started = time.perf_counter()
            jobs.index.deleted_together(ids)
            longest = max(longest, time.perf_counter() - started)
        after = ids[-1]
    seconds = time.perf_counter() - began
    print(f"{rows:,} rows of one realm removed in {seconds:.0f} s, in transactions of {longest * 1000:.0f} ms at most")


def _mark(days: int) -> str:
    from jobs_flow_django.models.queries import first_id_at

    return first_id_at(datetime.now(UTC) - timedelta(days=days))


def _day(days: int) -> str:
    return str((datetime.now(UTC) - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0))


if __name__ == "__main__":
    main()
