"""Whose request it is, by address."""

from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The address of the client, as text; "" where the server knows none.

    Each of the TRUSTED_PROXIES in front appends to X-Forwarded-For whom it was called by, so that
    the client is the n-th from the right; what stands further left is the client's own claim.
    """
    peer = str(request.META.get("REMOTE_ADDR", ""))
    n_proxies: int = settings.TRUSTED_PROXIES
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if n_proxies else []
    if not n_proxies or len(hops) < n_proxies:
        return peer  # it did not come through all of them
    try:
        return str(ip_address(hops[-n_proxies].strip()))
    except ValueError:
        return peer
