"""Whose request it is, by address."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from django.conf import settings
from django.http import HttpRequest

_PREFIX = 64  # bits of an IPv6 address that name a network, which gives itself any of the others


def client_address(request: HttpRequest) -> str:
    """The address of the client, as text; "" where the server knows none.

    Each of the TRUSTED_PROXIES in front appends to X-Forwarded-For whom it was called by, so that
    the client is the n-th from the right; what stands further left is the client's own claim.
    """
    return str(_address(request) or "")


def client_network(request: HttpRequest) -> str:
    """The same, as limits count it: an IPv6 client can take any address of its network."""
    address = _address(request)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, _PREFIX), strict=False).network_address)
    return str(address or "")


def _address(request: HttpRequest) -> IPv4Address | IPv6Address | None:
    peer = _parsed(request.META.get("REMOTE_ADDR", ""))
    n_proxies: int = settings.TRUSTED_PROXIES
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if n_proxies else []
    if not n_proxies or len(hops) < n_proxies:
        return peer  # it did not come through all of them
    return _parsed(hops[-n_proxies]) or peer


@lru_cache(maxsize=1000)  # of each request, and workers send thousands
def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    # A socket for both families shows IPv4 clients as ::ffff:192.0.2.1.
    return getattr(address, "ipv4_mapped", None) or address
