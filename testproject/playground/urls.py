"""Addresses of the test page."""

from django.urls import path

from testproject.playground import drawings, tags, views

app_name = "playground"

urlpatterns = [
    path("", views.home, name="home"),
    path("instances/", views.show_instances, name="instances"),
    path("create/", views.create, name="create"),
    path("exists/", views.exists, name="exists"),
    path("realm/", views.preview_realm, name="realm"),
    path("realm/delete/", views.destroy_realm, name="destroy-realm"),
    path("sync/", views.run_sync, name="sync"),
    path("instances/<slug:instance_id>/run/", views.run_all, name="run"),
    path("instances/<slug:instance_id>/run-task/", views.run_task, name="run-task"),
    path("instances/<slug:instance_id>/resume/", views.resume, name="resume"),
    path("instances/<slug:instance_id>/cancel/", views.cancel, name="cancel"),
    path("instances/<slug:instance_id>/delete/", views.destroy, name="destroy"),
    path("instances/<slug:instance_id>/drawing/", drawings.show, name="drawing"),
    path("instances/<slug:instance_id>/drawing.<slug:ending>", drawings.download, name="download"),
    path("tags/", tags.home, name="tags"),
    path("tags/start/", tags.start, name="start-tags"),
    path("tags/<slug:instance_id>/ticket/<str:ticket>/", tags.by_ticket, name="by-ticket"),
]
