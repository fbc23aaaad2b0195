"""Workflows under blows: processes killed and stopped, messages lost and doubled, servers restarted, writes cut off.

``python -m tests.chaos`` (``make chaos``) is the long form with figures; the tests here are bounded to minutes.
"""
