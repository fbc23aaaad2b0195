"""Addresses of the behaviours."""

from django.urls import path

from testproject.behaviours import views

app_name = "behaviours"

urlpatterns = [
    path("", views.home, name="home"),
    path("<slug:slug>/start/", views.start, name="start"),
    path("instances/<slug:instance_id>/area/", views.show, name="area"),
]
