"""HTTP and WebSocket in one application: ``uvicorn testproject.asgi:application``."""

import os

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "testproject.settings")

# Static files come from the same process, so that the demo needs no second server. Loading Django
# comes before the import of anything that has models.
django_application = ASGIStaticFilesHandler(get_asgi_application())

from jobs_flow_django import setup_websocket  # noqa: E402

application = setup_websocket(django_application)
