"""The Celery project on trial: ``make`` for this process, ``app`` for the workers that are told where by CHAOS_*."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from celery import Celery

from jobs_flow import Jobs
from jobs_flow.storages import Storage, create_storage
from tests.chaos import faults, workflows  # noqa: F401 - registers what it declares

#: What Celery would take in place of what a project gives it.
CELERY_VARIABLES = ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND")


def make(environment: Mapping[str, str]) -> tuple[Celery, Jobs]:
    """An application and its ``Jobs``, as the variables say."""
    for name in CELERY_VARIABLES:
        os.environ.pop(name, None)
    app = Celery("chaos", broker=environment["CHAOS_BROKER"], set_as_current=False)
    if environment["CHAOS_BROKER"].startswith("amqp"):
        # As the readme has it.
        app.conf.update(task_default_queue_type="quorum", task_default_exchange_type="topic")
    app.conf.jobs_flow_lease = float(environment.get("CHAOS_LEASE", "2"))
    app.conf.jobs_flow_max_losses = int(environment.get("CHAOS_MAX_LOSSES", "8"))
    # A broker that is away is told at once to whoever starts something.
    app.conf.task_publish_retry_policy = {"max_retries": 2, "interval_start": 0, "interval_step": 0.2}
    storage: Storage = create_storage(environment["CHAOS_STORAGE"])
    jobs = Jobs(app, storage=storage)
    if directory := environment.get("CHAOS_FAULTS"):
        faults.install(jobs, directory)
    if environment.get("CHAOS_TWICE"):
        faults.deliver_twice()
    return app, jobs


def __getattr__(name: str) -> Any:
    # Made when a worker asks for it, so that this module can be imported without a broker.
    if name not in ("app", "jobs"):
        raise AttributeError(name)
    globals()["app"], globals()["jobs"] = make(os.environ)
    return globals()[name]
