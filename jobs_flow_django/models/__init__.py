"""The instances as rows: what lists, filters and permissions work on.

The records of the tasks live in the storage; a row mirrors the state of its instance. What was asked for
and is not done yet stands in the outbox.
"""

from jobs_flow_django.models.instance import Status, WorkflowInstance
from jobs_flow_django.models.outbox import OutboxEntry
from jobs_flow_django.models.queries import WorkflowInstanceManager, WorkflowInstanceQuerySet

__all__ = ["OutboxEntry", "Status", "WorkflowInstance", "WorkflowInstanceManager", "WorkflowInstanceQuerySet"]
