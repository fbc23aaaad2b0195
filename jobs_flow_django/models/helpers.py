"""What a task does with rows of the project's own models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from django.db import models, router, transaction

from jobs_flow.errors import InvalidArgument

M = TypeVar("M", bound=models.Model)


def save_instance(model: type[M], values: Mapping[str, Any], *, pk: Any = None) -> M:
    """A new row of ``model`` with ``values``, or the row ``pk`` with ``values`` put into it; saved.

    For tasks, which are executed at least once: a task that keeps the id that it was given, in its data or
    in the context, may be repeated without making a second row::

        def store(report, job):
            row = save_instance(Report, {"text": report}, pk=job.context.get("report_id"))
            job.update_context({"report_id": {"$set": row.pk}})

    Part of the caller's transaction, when there is one. The row is locked while it is changed, so of
    two that write different fields neither undoes the other. Values are given by field names.

    Raises ``InvalidArgument`` for a name that is no field, the model's ``DoesNotExist`` for a ``pk`` that
    is not there, and what the database refuses.
    """
    fields = {name for field in model._meta.concrete_fields for name in (field.name, field.attname)}
    unknown = sorted(set(values) - fields)
    if unknown:
        raise InvalidArgument(argument="values", reason=f"{model.__name__} has no field {', '.join(unknown)}")
    using = router.db_for_write(model)
    if pk is None:
        return model._default_manager.using(using).create(**values)
    with transaction.atomic(using=using):
        row = model._default_manager.using(using).select_for_update().get(pk=pk)
        for name, value in values.items():
            setattr(row, name, value)
        row.save(using=using)
    return row
