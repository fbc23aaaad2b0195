"""``manage.py jobs_flow_changed``: the live instances that the present code would break."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs_flow.errors import JobsFlowError
from jobs_flow_django import jobs


class Command(BaseCommand):
    """Before a deployment: exits with 1 when there are any."""

    help = "List the instances that are not over and whose tasks the present code declares otherwise."

    def handle(self, *args: Any, **options: Any) -> None:
        """One line an instance: id, workflow, the path that differs."""
        try:
            changed = jobs.changed_definitions()
        except JobsFlowError as error:
            raise CommandError(error.message) from error
        for instance_id, workflow, path in changed:
            self.stdout.write(f"{instance_id}\t{workflow}\t{path}")
        if changed:
            raise CommandError(f"{len(changed)} instances need the code that they were made with, or an update.")
