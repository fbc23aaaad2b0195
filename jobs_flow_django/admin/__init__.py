"""Instances in the admin: a list to find them, a page to see and start each. Nothing is edited here."""

from jobs_flow_django.admin.instances import WorkflowInstanceAdmin

__all__ = ["WorkflowInstanceAdmin"]
