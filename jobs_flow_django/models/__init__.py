"""The instances as rows: what lists, filters and permissions work on.

The records of the tasks live in the storage; a row mirrors the state of its instance.
"""

from jobs_flow_django.models.instance import Status, WorkflowInstance
from jobs_flow_django.models.queries import WorkflowInstanceManager, WorkflowInstanceQuerySet

__all__ = ["Status", "WorkflowInstance", "WorkflowInstanceManager", "WorkflowInstanceQuerySet"]
