"""The app: what happens when Django starts."""

from __future__ import annotations

import inspect

from django.apps import AppConfig
from django.core.management import ManagementUtility
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _

from jobs_flow.errors import ConfigurationError


class JobsFlowConfig(AppConfig):
    """Checks the settings, finds the workflows of all apps and installs the plugin on the Celery app."""

    name = "jobs_flow_django"
    label = "jobs_flow_django"
    verbose_name = _("Jobs flow")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connects to no server, and asks for no Celery app where the project has none."""
        from jobs_flow_django import checks, jobs  # noqa: F401 - registers the checks
        from jobs_flow_django.conf import get_settings
        from jobs_flow_django.facade import find_celery_app
        from jobs_flow_django.live import announcing, logouts

        announcing.install()
        logouts.install()

        try:
            # Web servers run no system checks, so what is wrong with the settings is raised here.
            if get_settings().BACKEND == "celery" and find_celery_app() is not None:
                # A worker has to know the tasks before it starts, and calls django.setup() before that.
                jobs.setup()
        except ConfigurationError:
            if not _serves_a_command():
                raise
            return  # the checks say it, without a traceback; a command that runs none raises it where it needs us
        autodiscover_modules("workflows")


def _serves_a_command() -> bool:
    """Whether Django is being set up for ``manage.py``, whose commands run the system checks."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code is not ManagementUtility.execute.__code__:
        frame = frame.f_back
    return frame is not None
