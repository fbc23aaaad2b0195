"""Addresses of the weather reports."""

from django.urls import path

from testproject.weather import views

app_name = "weather"

urlpatterns = [
    path("", views.home, name="home"),
    path("reports/", views.start, name="start"),
    path("reports/latest/", views.latest, name="latest"),
    path("reports/<slug:instance_id>/", views.show, name="report"),
    path("reports/<slug:instance_id>/area/", views.show_area, name="area"),
    path("reports/<slug:instance_id>/files/<str:name>", views.file, name="file"),
]
