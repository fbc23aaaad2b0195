"""``WorkflowInstance``: one instance of a workflow, as a row."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from jobs_flow.workflows.states import InstanceStatus
from jobs_flow_django.models.queries import WorkflowInstanceManager


def key_digest(workflow: str, realm: str, key: str) -> str:
    """What stands for a key of a workflow and realm in the unique index: equal for equal texts only."""
    return hashlib.sha256(f"{workflow}\0{realm}\0{key}".encode(errors="surrogatepass")).hexdigest()


class Status(models.TextChoices):
    """The statuses of an instance, as on the wire, with labels for people."""

    INACTIVE = InstanceStatus.INACTIVE.value, _("inactive")
    WORKING = InstanceStatus.WORKING.value, _("working")
    DONE = InstanceStatus.DONE.value, _("done")
    FAILED = InstanceStatus.FAILED.value, _("failed")
    CANCELLED = InstanceStatus.CANCELLED.value, _("cancelled")


class WorkflowInstance(models.Model):
    """One instance of a workflow.

    What it was created with is written once, in the creator's transaction. The rest mirrors the
    storage each time a run starts or ends; ``seq`` and ``updated_at`` keep a late writer from
    putting an older state over a newer one.
    """

    id = models.CharField(_("id"), max_length=36, primary_key=True, editable=False)
    workflow = models.CharField(_("workflow"), max_length=200)
    name = models.CharField(_("name"), max_length=200, blank=True, default="")
    realm = models.CharField(_("realm"), max_length=200, blank=True, default="")
    key = models.CharField(_("key"), max_length=200, null=True, blank=True, editable=False)
    # Unique instead of workflow and key themselves: collations that ignore case, accents or spaces at the
    # end would take different keys for one.
    key_digest = models.CharField(max_length=64, null=True, unique=True, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    data = models.JSONField(_("data"), null=True, blank=True)
    base_context = models.JSONField(_("base context"), default=dict, blank=True)
    fingerprint = models.CharField(_("fingerprint"), max_length=128)
    ephemeral = models.BooleanField(_("ephemeral"), default=False)

    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.INACTIVE)
    progress = models.FloatField(
        _("progress"), default=0.0, validators=[MinValueValidator(0.0), MaxValueValidator(1.0)]
    )
    run = models.PositiveIntegerField(_("run"), default=0)
    error = models.JSONField(_("error"), null=True, blank=True)
    seq = models.PositiveBigIntegerField(_("latest event"), default=0, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("updated"), default=timezone.now, editable=False)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    #: Whether no further task starts. Not mirrored: known only where the storage was asked.
    is_paused = False

    objects: ClassVar[WorkflowInstanceManager] = WorkflowInstanceManager()

    class Meta:
        db_table = "jobs_flow_instance"
        verbose_name = _("workflow instance")
        verbose_name_plural = _("workflow instances")
        ordering = ("-id",)
        permissions = [  # noqa: RUF012 - Django's way to declare it
            ("execute_workflowinstance", "Can execute workflow instance"),
            ("view_payload_workflowinstance", "Can view data, results and logs of workflow instance"),
        ]
        # Ids are ordered by time, so a list "newest first" of one status, workflow or realm reads the end of one of
        # these indexes and sorts nothing; what else it is filtered by is behind the id, so that rows which do not
        # match are not read. Without those columns MariaDB would intersect two indexes and sort what it found.
        # It takes keys of 3072 bytes: (200 + 36 + 16 + 200 + 200) * 4 is less.
        indexes = [  # noqa: RUF012
            models.Index(fields=["status", "id", "workflow", "realm", "name"], name="jobs_flow_by_status"),
            models.Index(fields=["workflow", "id", "status", "realm", "name"], name="jobs_flow_by_workflow"),
            models.Index(fields=["realm", "id", "status", "workflow", "name"], name="jobs_flow_by_realm"),
            models.Index(fields=["name", "status", "workflow", "realm"], name="jobs_flow_by_name"),
            models.Index(fields=["created_at"], name="jobs_flow_created"),
            # What is over since long, for retention: of one workflow, and of any.
            models.Index(fields=["workflow", "finished_at"], name="jobs_flow_workflow_end"),
            models.Index(fields=["finished_at"], name="jobs_flow_end"),
        ]

    def __str__(self) -> str:
        return self.name or f"{self.workflow} {self.short_id}"

    @property
    def short_id(self) -> str:
        """The end of the id: the beginning is the time, which neighbours share."""
        return self.id[-8:]

    @property
    def is_finished(self) -> bool:
        """Whether the latest run is over and ended in a final status."""
        return self.status in (Status.DONE, Status.FAILED, Status.CANCELLED)

    @property
    def duration(self) -> timedelta | None:
        """How long the latest run took, or has taken so far; None before the first."""
        if self.started_at is None:
            return None
        if self.finished_at is not None:
            end = self.finished_at
        elif self.status == Status.WORKING:
            end = timezone.now()
        else:
            return None
        # The storage's clock and this machine's may differ a little.
        return max(end - self.started_at, timedelta(0))
