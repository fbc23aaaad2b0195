"""``manage.py jobs_flow_prune``: remove old finished instances."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs_flow.errors import JobsFlowError
from jobs_flow_django import jobs


class Command(BaseCommand):
    """By age, or by what each workflow says (``keep``)."""

    help = (
        "Remove finished instances with their records, results, logs and rows: those older than is said, or than the "
        "keep of their workflow. What is working, inactive or being undone is never touched."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """``[--older-than 30d] [--workflow …] [--status …] [--limit …] [--orphans] [--dry-run]``"""
        parser.add_argument("--older-than", metavar="AGE", help="finished so long ago: 30d, 12h, 45m")
        parser.add_argument("--workflow", metavar="NAME", help="only instances of this workflow")
        parser.add_argument("--status", metavar="STATUS,…", help="only those that are: done, failed, cancelled")
        parser.add_argument("--limit", type=int, metavar="N", help="so many at most")
        parser.add_argument("--orphans", action="store_true", help="also rows of instances whose records are gone")
        parser.add_argument("--dry-run", action="store_true", help="remove nothing; only count")

    def handle(self, *args: Any, **options: Any) -> None:
        """Says how many were removed, by workflow."""
        given = {name: options[name] for name in ("older_than", "workflow", "limit", "orphans", "dry_run")}
        status = options["status"] and [each.strip() for each in options["status"].split(",")]
        try:
            found = jobs.prune(status=status, **given)
        except JobsFlowError as error:
            raise CommandError(error.message) from error
        for line in found.lines():
            self.stdout.write(line)
