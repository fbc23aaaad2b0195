"""Pages of instances by their ids: each read from one index, and nothing else of the table.

A page is asked for by ids first, which the indexes hold beside all that a list is filtered by; its rows are read by
their ids then. So no condition on a column ever has the database read rows that it does not show.
"""

from __future__ import annotations

from heapq import merge
from itertools import islice
from typing import Any

from django.db import connections
from django.db.models import F, Value
from django.db.models.functions import Concat
from django.db.models.lookups import Exact

from jobs_flow_django.models import WorkflowInstanceQuerySet

#: Columns whose index goes on with the id, the most selective first.
LEADING = ("realm", "workflow", "status")
#: A text that more names than this begin with is taken to be found anywhere in the list.
MANY = 20_000


def page(
    rows: WorkflowInstanceQuerySet, *, limit: int, mark: str | None = None, newest_first: bool = True, name: str = ""
) -> list[str]:
    """The ids of the first ``limit`` of ``rows`` beyond the id ``mark``, in the order of ids.

    ``name``: only those whose id or name begins with it.
    """
    order = "-id" if newest_first else "id"
    if mark:
        rows = rows.filter(id__lt=mark) if newest_first else rows.filter(id__gt=mark)
    sources = _sources(rows, name.strip(), order) if name.strip() else [_ranges(rows, order)]
    found = [list(source.values_list("pk", flat=True)[:limit]) for source in sources]
    if len(found) == 1:
        return found[0]
    # Both are in order; one that both have found stands in both.
    return list(islice(dict.fromkeys(merge(*found, reverse=newest_first)), limit))


def _sources(rows: WorkflowInstanceQuerySet, text: str, order: str) -> list[WorkflowInstanceQuerySet]:
    """One question for the ids and one for the names: asked as one, no index answers it."""
    sources = []
    by_id = rows.with_id(text)
    if by_id is not None:
        sources.append(_ranges(by_id, order))
    by_name = rows.filter(name__istartswith=text)
    everything = rows.model._default_manager.using(rows.db)
    if everything.filter(name__istartswith=text).order_by()[: MANY + 1].count() > MANY:
        # Every few rows is one.
        sources.append(_ranges(by_name, order))
    else:
        # An expression, for the database to sort what the index of names gives. Else it would rather read the whole
        # table in the order of ids, for it takes matches to be spread evenly over it.
        expression = Concat(F("id"), Value(""))
        sources.append(by_name.order_by(expression.desc() if order == "-id" else expression.asc()))
    return sources


def _ranges(rows: WorkflowInstanceQuerySet, order: str) -> WorkflowInstanceQuerySet:
    """The same rows, asked for so that MariaDB begins at the id that bounds them.

    ``workflow = x AND id < y`` has it look up ``x`` in the index and read on to ``y`` from its end, however far that
    is. ``workflow BETWEEN x AND x`` in the order of both columns leaves it nothing but the range.
    """
    rows = rows.order_by(order)
    conditions: list[Any] = list(rows.query.where.children)
    bounded = any(getattr(getattr(each, "lhs", None), "target", None) is rows.model._meta.pk for each in conditions)
    if connections[rows.db].vendor != "mysql" or not bounded:
        return rows
    equal = {each.lhs.target.name: each for each in conditions if _is_equality(each)}
    leading = next((name for name in LEADING if name in equal), None)
    if leading is None:
        return rows
    rows = rows.order_by(f"-{leading}" if order == "-id" else leading, order)
    where = rows.query.where
    where.children = [each for each in where.children if each not in equal.values()]
    for each in equal.values():
        for lookup in ("gte", "lte"):
            where.children.append(each.lhs.get_lookup(lookup)(each.lhs, each.rhs))
    return rows


def _is_equality(condition: object) -> bool:
    return (
        isinstance(condition, Exact)
        and getattr(condition.lhs, "target", None) is not None
        and (condition.lhs.target.name in LEADING and isinstance(condition.rhs, str))
    )
