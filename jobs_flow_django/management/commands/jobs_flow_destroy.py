"""``manage.py jobs_flow_destroy``: remove instances with all their records."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs_flow.errors import JobsFlowError
from jobs_flow_django import jobs


class Command(BaseCommand):
    """By id, or all of a realm."""

    help = "Remove instances with their records, results and logs. This cannot be undone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """``<id> …`` or ``--realm <realm>``"""
        parser.add_argument("ids", nargs="*", metavar="id", help="of an instance")
        parser.add_argument("--realm", help="all instances of this realm")

    def handle(self, *args: Any, **options: Any) -> None:
        """Says how many were removed."""
        ids, realm = options["ids"], options["realm"]
        if bool(ids) == (realm is not None):
            raise CommandError("Give ids, or --realm.")
        try:
            if realm is not None:
                count = jobs.destroy_workflows_by_realm(realm)
            else:
                count = sum(jobs.destroy_workflow(each) for each in ids)
        except JobsFlowError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{count} destroyed.")
