"""``manage.py jobs_flow_resume <id>``: run again what has not passed."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs_flow.errors import JobsFlowError
from jobs_flow.starting import MODES
from jobs_flow_django import jobs


class Command(BaseCommand):
    """Same instance, new run; results of other tasks stay."""

    help = "Resume an instance."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """``<id> [--mode …] [--from …] [--preview]``"""
        parser.add_argument("id", help="of the instance")
        parser.add_argument("--mode", choices=MODES, default=MODES[0], help="which tasks run (default: %(default)s)")
        parser.add_argument("--from", dest="path", metavar="PATH", help="run this task and all after it")
        parser.add_argument("--preview", action="store_true", help="start nothing; list the paths that would run")

    def handle(self, *args: Any, **options: Any) -> None:
        """Says which run started, or what would run."""
        instance_id, mode, path = options["id"], options["mode"], options["path"]
        try:
            if options["preview"]:
                for each in jobs.preview(instance_id, mode, path=path):
                    self.stdout.write(each)
                return
            handle = jobs.resume(instance_id, mode, path=path)
        except JobsFlowError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"Run {handle.run} started.")
