"""``OutboxEntry``: what was asked for in a transaction and is not done yet."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class OutboxEntry(models.Model):
    """One request, written with the caller's transaction and deleted when it was performed.

    The table is empty but for what is under way. No foreign key: an entry that asks for the destruction of
    an instance outlives its row.
    """

    token = models.CharField(_("token"), max_length=36, primary_key=True)
    instance_id = models.CharField(_("instance"), max_length=36)
    action = models.CharField(_("action"), max_length=16)
    arguments = models.JSONField(_("arguments"), default=dict)
    #: Times that recovery was given it.
    tries = models.PositiveIntegerField(_("tries"), default=0)
    #: When it was written, then when it was last put off to.
    due_at = models.DateTimeField(_("due"), default=timezone.now)

    objects: ClassVar[models.Manager[OutboxEntry]] = models.Manager()

    class Meta:
        db_table = "jobs_flow_outbox"
        verbose_name = _("outbox entry")
        verbose_name_plural = _("outbox entries")
        default_permissions = ()
        indexes = [  # noqa: RUF012 - Django's way to declare it
            models.Index(fields=["due_at"], name="jobs_flow_outbox_due"),
            models.Index(fields=["instance_id"], name="jobs_flow_outbox_instance"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.instance_id}"
