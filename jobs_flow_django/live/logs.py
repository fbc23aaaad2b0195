"""Logging of what should not happen, without a word of the users' data."""

from __future__ import annotations

import logging
import traceback

logger = logging.getLogger("jobs_flow.live")


def log_unexpected(what: str, error: BaseException) -> None:
    """Log where ``error`` came from. Its message is left out: it may quote what the user sent."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("%s: %s\n%s", what, type(error).__name__, frames)
