"""``manage.py jobs_flow_cancel <id>``: stop a run."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs_flow.errors import JobsFlowError
from jobs_flow.workflows import paths
from jobs_flow_django import jobs


class Command(BaseCommand):
    """Queued tasks will not start, running ones are asked to stop."""

    help = "Cancel the run of an instance, or a part of it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """``<id> [--path …] [--undo]``"""
        parser.add_argument("id", help="of the instance")
        parser.add_argument("--path", default=paths.ROOT, help="this task and all below it (default: everything)")
        parser.add_argument("--undo", action="store_true", help="undo finished tasks, the latest first")

    def handle(self, *args: Any, **options: Any) -> None:
        """Says whether there was something to stop."""
        try:
            stopped = jobs.cancel(options["id"], options["path"], undo=options["undo"])
        except JobsFlowError as error:
            raise CommandError(error.message) from error
        self.stdout.write("Cancelled." if stopped else "There was nothing to cancel.")
