"""The demo's login link."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import get_user_model, login
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from testproject.accounts.links import is_loopback, links

#: The user that the demo makes.
DEMO_USER = "demo"


@login_not_required
@never_cache
@require_safe
def demo_login(request: HttpRequest, token: str) -> HttpResponse:
    """Log the demo's user in, once, from this machine only; without the demo there is no such page."""
    if not settings.JOBS_FLOW_DEMO or not is_loopback(request.META.get("REMOTE_ADDR", "")):
        raise Http404
    following = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(following, allowed_hosts=None):
        following = settings.LOGIN_REDIRECT_URL
    if request.user.is_authenticated and request.user.get_username() == DEMO_USER:
        return redirect(following)
    user = get_user_model().objects.filter(username=DEMO_USER, is_active=True).first()
    if user is None or not links.check_token(user, token):
        return render(request, "registration/link_used.html", status=403)
    if request.method == "HEAD":
        # A program that looks at the link must not use it up.
        return HttpResponse()
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return redirect(following)
