# `make demo` and `make test` need Python 3.11+ and nothing else; scripts/bootstrap.py does the rest.
# Words for the command itself go into ARGS: make demo ARGS=--once, make test ARGS="tests/unit -k paths".

PYTHON ?= python3
ARGS ?=

.PHONY: help demo test lint clients benchmark benchmark-rows benchmark-live chaos screenshots clean

help:
	@echo "make demo         the demo with its worker and web server (ARGS=--once: in the terminal, and end)"
	@echo "make test         lint, types, import contracts, migrations and every test (ARGS: pytest's)"
	@echo "make lint         the same without the tests"
	@echo "make clients      types, tests and bundles of what runs in browsers, and their sizes"
	@echo "make benchmark    recorded workflows beside plain Celery canvases"
	@echo "make benchmark-rows  lists of a million instances on a MariaDB (ARGS=--sqlite: 100 000 on SQLite)"
	@echo "make benchmark-live  how soon 1 000 sockets are told, beside polling (ARGS=--quick: in a minute)"
	@echo "make chaos        200 workflows on workers that are killed, and the figures (ARGS=--help)"
	@echo "make screenshots  the browser tests, leaving pictures in screenshots/"
	@echo "make clean        remove the environment, caches and builds"

demo test lint clients benchmark benchmark-rows benchmark-live chaos screenshots:
	@$(PYTHON) scripts/bootstrap.py $@ $(ARGS)

clean:
	rm -rf .venv clients/node_modules clients/*/node_modules .tox build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis screenshots
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
