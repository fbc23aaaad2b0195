"""The login link of the demo: works once, from the same machine, while the demo is on."""

from __future__ import annotations

from ipaddress import ip_address

from django.contrib.auth.tokens import PasswordResetTokenGenerator


class DemoLogin(PasswordResetTokenGenerator):
    """Signed tokens that hold a user's last login: logging in makes them void."""

    key_salt = "testproject.accounts.links.DemoLogin"


links = DemoLogin()


def is_loopback(address: str) -> bool:
    """Whether a client's address is this machine's own."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback
