"""Makes a Python process that has no Django, whatever is installed: put this directory on PYTHONPATH."""

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec

MISSING = ("django", "channels", "channels_redis", "jobs_flow_django")


class NotInstalled(MetaPathFinder):
    """Finds none of them."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Refuse, as the import system does for what is not there."""
        if fullname.partition(".")[0] in MISSING:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


sys.meta_path.insert(0, NotInstalled())
