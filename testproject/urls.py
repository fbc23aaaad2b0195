"""Addresses of the test project."""

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path

from testproject.accounts.views import demo_login

urlpatterns = [
    path("", include("testproject.weather.urls")),
    path("behaviours/", include("testproject.behaviours.urls")),
    path("react/", include("testproject.react_page.urls")),
    path("playground/", include("testproject.playground.urls")),
    path("jobs-flow/", include("jobs_flow_django.urls")),
    path("login/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
]

if settings.JOBS_FLOW_DEMO:
    urlpatterns.append(path("demo-login/<str:token>/", demo_login, name="demo-login"))
