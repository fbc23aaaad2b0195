"""``python -m benchmarks``: see ``engine``."""

from benchmarks.engine import main

main()
