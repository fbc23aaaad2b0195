"""Workflows for Celery: declared as a list, run on your own workers, watched live, never stuck.

``from jobs_flow import Jobs, Task, workflow`` is all that most projects need; errors are in
``jobs_flow.errors``.
"""

from jobs_flow.arguments import MISSING
from jobs_flow.job import Cancelled, Failure, Job
from jobs_flow.jobs import Jobs, RunHandle
from jobs_flow.workflows.definition import Task, Workflow
from jobs_flow.workflows.registry import Registry, workflow
from jobs_flow.workflows.retry import Retry

__all__ = [
    "MISSING",
    "Cancelled",
    "Failure",
    "Job",
    "Jobs",
    "Registry",
    "Retry",
    "RunHandle",
    "Task",
    "Workflow",
    "workflow",
]
__version__ = "0.1.0"
