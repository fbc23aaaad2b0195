"""``manage.py jobs_flow_create_table``: the table of a storage in DynamoDB."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs_flow.errors import JobsFlowError
from jobs_flow.storages.dynamodb.schema import create_table_of
from jobs_flow_django import jobs


class Command(BaseCommand):
    """May be run at each deployment."""

    help = "Make the DynamoDB table of the storage, or check the one that is there."

    def handle(self, *args: Any, **options: Any) -> None:
        """Says which of the two it did."""
        try:
            said = create_table_of(jobs.storage)
        except JobsFlowError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{said}.")
