"""Measurements; run with ``make benchmark``. Tests assert no timings, these print them."""
