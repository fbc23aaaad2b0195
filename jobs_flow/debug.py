"""``JOBS_DEBUG``: verbose lines of chosen parts on stderr, for a process started by hand (feature S59)."""

from __future__ import annotations

import logging
import os

#: Parts that have a logger ``jobs_flow.<part>``.
TAGS = ("engine", "celery", "storage", "live", "django")


def configure() -> None:
    """Turn on the loggers that the environment names: ``JOBS_DEBUG=engine,storage``, or ``*`` for all."""
    wanted = {tag.strip() for tag in os.environ.get("JOBS_DEBUG", "").split(",") if tag.strip()}
    if wanted & {"*", "1", "all"}:
        wanted = set(TAGS)
    for tag in sorted(wanted & set(TAGS)):
        logger = logging.getLogger(f"jobs_flow.{tag}")
        logger.setLevel(logging.DEBUG)
        if not any(getattr(handler, "jobs_debug", False) for handler in logger.handlers):
            handler = logging.StreamHandler()
            handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
            handler.jobs_debug = True  # type: ignore[attr-defined]
            logger.addHandler(handler)
            logger.propagate = False
    for tag in sorted(wanted - set(TAGS)):
        logging.getLogger("jobs_flow").warning("JOBS_DEBUG names %r; there are %s", tag, ", ".join(TAGS))
