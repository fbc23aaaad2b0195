"""``make chaos``: many workflows on workers that are killed; the figures, and an exit code."""

from __future__ import annotations

import argparse
import logging
import secrets
import sys
import time

from tests.chaos.blows import LEASES, Chaos, Options, Result

SHOWN = 40


def main() -> int:
    """0 when every promise was kept."""
    options = parse(sys.argv[1:])
    print(f"seed {options.seed}", flush=True)
    # The tasks fail as they are told to.
    logging.getLogger("jobs_flow").setLevel(logging.CRITICAL)
    begun = time.monotonic()
    result = Chaos(options, lambda line: print(f"{time.monotonic() - begun:6.1f} s  {line}", flush=True)).run()
    print(figures(result))
    violations = result.account.violations
    for line in violations[:SHOWN]:
        print(line)
    if violations:
        print(f"{len(violations)} violations with seed {options.seed}")
    return 1 if violations else 0


def parse(arguments: list[str]) -> Options:
    """The words of the command line."""
    default = Options()
    parser = argparse.ArgumentParser(prog="make chaos ARGS=…", description=__doc__)
    parser.add_argument("--workflows", type=int, default=default.workflows, help="live at a time")
    parser.add_argument("--seconds", type=float, default=default.seconds, help="for which new ones are started")
    parser.add_argument("--minutes", type=float, help="the same in minutes")
    parser.add_argument("--seed", help="repeats the shapes and blows of a run; printed")
    parser.add_argument("--workers", type=int, default=default.workers)
    parser.add_argument("--pool", choices=("prefork", "threads"), default=default.pool)
    parser.add_argument("--concurrency", type=int, default=default.concurrency)
    parser.add_argument("--lease", type=float, default=default.lease, help="seconds")
    parser.add_argument("--broker", choices=("redis", "rabbitmq"), default=default.broker)
    parser.add_argument("--storage", choices=("redis", "dynamodb"), default=default.storage)
    parser.add_argument("--interval", type=float, default=default.interval, help="seconds between two blows")
    given = vars(parser.parse_args(arguments))
    minutes = given.pop("minutes")
    if minutes is not None:
        given["seconds"] = 60 * minutes
    return Options(**{**given, "seed": given["seed"] or secrets.token_hex(4)})


def figures(result: Result) -> str:
    """A table of what happened."""
    account = result.account
    ends = ", ".join(f"{count} {status}" for status, count in sorted(account.statuses.items()))
    rows = {
        "workflows": f"{account.workflows}: {ends}",
        "tasks": account.tasks,
        "executions": account.executions,
        "retried because they failed": account.retried,
        "repeated executions": account.repeated,
        "  cut off by a killed process": account.cut_off,
        "  ended after their lease had": account.outlived,
        "poisoned": account.poisoned,
        **result.blows,
        "lost messages published again": result.published_again,
        "last end after the last blow": f"{result.leases_to_the_end:.1f} leases (allowed: {LEASES:g})",
        "seconds in all": f"{result.seconds:.0f}",
        "violations": len(account.violations),
    }
    width = max(map(len, rows))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows.items())


if __name__ == "__main__":
    sys.exit(main())
