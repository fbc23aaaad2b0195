"""The example project's application as docs/howto/delivery.md says to start it."""

from __future__ import annotations

import gc

from testproject.asgi import application

__all__ = ["application"]

# What is there now stays: it need not be looked through again and again, while a thousand sockets wait.
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 100)
