"""``manage.py jobs_flow_recover``: what recovery in the workers does, once and now."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs_flow.errors import JobsFlowError
from jobs_flow_django import jobs


class Command(BaseCommand):
    """For when no worker runs, or nobody wants to wait for one."""

    help = "Do what was committed and not done, take tasks from workers that are gone, publish lost messages again."

    def handle(self, *args: Any, **options: Any) -> None:
        """Says how many things were put right."""
        try:
            count = jobs.recover()
        except JobsFlowError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{count} put right.")
