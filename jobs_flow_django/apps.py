"""The app: what happens when Django starts."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


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
        from jobs_flow_django.live import announcing

        announcing.install()

        # Web servers run no system checks, so what is wrong with the settings is raised here.
        if get_settings().BACKEND == "celery" and find_celery_app() is not None:
            # A worker has to know the tasks before it starts, and calls django.setup() before that.
            jobs.setup()
        autodiscover_modules("workflows")
