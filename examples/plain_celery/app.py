"""A Celery app with workflows, and no Django: ``celery -A app worker``."""

import os

from celery import Celery

from jobs_flow import Jobs

BROKER = os.environ.get("CELERY_BROKER_URL", "redis://127.0.0.1:6379/0")

app = Celery("plain_celery", broker=BROKER)
app.conf.broker_connection_retry_on_startup = True

# Finds workflows.py beside this file: in the worker at its start, elsewhere when it is needed.
jobs = Jobs(app, storage=os.environ.get("JOBS_FLOW_STORAGE_URL", "redis://127.0.0.1:6379/0"))
