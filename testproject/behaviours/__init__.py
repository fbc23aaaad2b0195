"""The six behaviours of a workflow, each small enough to read at a glance."""
