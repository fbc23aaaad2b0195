"""The demo: everything that a workflow needs, started together and stopped together."""
