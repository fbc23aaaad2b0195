"""A real Django project on jobs-flow: the demo, and the ground of the acceptance tests."""

from testproject.celery import app as celery_app

__all__ = ["celery_app"]
