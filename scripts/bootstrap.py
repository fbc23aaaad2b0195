"""From a fresh clone to a running demo or test run: ``python3 scripts/bootstrap.py COMMAND [arguments]``.

This file must be readable by any Python 3, so that an old one is answered with a sentence instead of a
syntax error: it finds a new enough interpreter, starts itself again with it, and leaves the rest to
``scripts.commands``.
"""

import os
import subprocess
import sys

OLDEST = (3, 11)
NEWER = ("python3.13", "python3.12", "python3.11", "python3.14")


def works(python: str) -> bool:
    """Whether that command is a new enough Python. It is run, because version managers put shims on PATH."""
    check = f"import sys; sys.exit(sys.version_info < {OLDEST!r})"
    try:
        return subprocess.call([python, "-c", check], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def use_a_newer_python() -> None:
    """Become the first Python on PATH that is new enough, or end with what to install."""
    running = ".".join(str(part) for part in sys.version_info[:3])
    for name in NEWER:
        if works(name):
            print(f"jobs-flow: python3 is {running}, using {name}", flush=True)
            os.execvp(name, [name, os.path.abspath(__file__), *sys.argv[1:]])  # noqa: PTH100
    sys.exit(
        f"jobs-flow needs Python 3.11 or newer; this is {running} at {sys.executable}, and PATH has no newer one.\n"
        "Install one (Debian, Ubuntu: apt-get install python3.11 python3.11-venv) "
        "or name it: make PYTHON=/path/to/python3.12 ..."
    )


if __name__ == "__main__":
    if sys.version_info < OLDEST:
        use_a_newer_python()
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    from scripts.commands import main

    sys.exit(main(sys.argv[1:]))
