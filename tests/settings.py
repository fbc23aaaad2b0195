"""The example project's settings, on the servers that ``tests.support.plugin`` has put into the environment."""

import os

from testproject import environment
from testproject.settings import *  # noqa: F403
from testproject.settings import DATABASES

# The test database is the file that DATABASE_URL names: workers and web servers in processes of their own see its rows.
DATABASES["default"]["TEST"] = {"NAME": DATABASES["default"]["NAME"]}
# Started only when a test needs it; the `database` fixture says where it is.
DATABASES["mysql"] = environment.database(
    os.environ.get("JOBS_FLOW_TEST_MYSQL_URL") or "mysql://root@127.0.0.1:1/jobs_flow"
)
# It stands alone, so that a test of it can be selected alone.
DATABASES["mysql"]["TEST"]["DEPENDENCIES"] = []
DATABASE_ROUTERS = ["tests.support.router.CurrentDatabase"]

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEMO_PACE = 0
