"""Addresses of the React page."""

from django.urls import path

from testproject.react_page import views

app_name = "react_page"

urlpatterns = [
    path("", views.home, name="home"),
    path("reports/", views.start, name="start"),
]
