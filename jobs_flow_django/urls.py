"""The HTTP door, for who has no socket; mounted by the project, optional.

``path("jobs-flow/", include("jobs_flow_django.urls"))``. Needs the extra ``channels``, as the sockets do.
"""

from __future__ import annotations

from django.urls import path

from jobs_flow_django.api.views import events, instance, requests

app_name = "jobs_flow"
urlpatterns = [
    path("requests/", requests, name="requests"),
    path("instances/<str:instance_id>/", instance, name="instance"),
    path("instances/<str:instance_id>/events/", events, name="events"),
]
