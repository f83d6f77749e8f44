"""The address of a request's client."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from django.conf import settings
from django.http import HttpRequest

_PREFIX = 64  # bits of an IPv6 address that identify the network; its hosts choose the others


def client_address(request: HttpRequest) -> str:
    """Return the client's address as text, or "" if it is unknown.

    Each of the n TRUSTED_PROXIES appends the address of its peer to X-Forwarded-For, so the client
    is the n-th entry from the right; entries further left can be forged by the client.
    """
    return str(_address(request) or "")


def client_network(request: HttpRequest) -> str:
    """Return the client's address for rate limits: for IPv6, that of its /64 network.

    An IPv6 client can use any address of its network.
    """
    address = _address(request)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, _PREFIX), strict=False).network_address)
    return str(address or "")


def _address(request: HttpRequest) -> IPv4Address | IPv6Address | None:
    peer = _parsed(request.META.get("REMOTE_ADDR", ""))
    n_proxies: int = settings.TRUSTED_PROXIES
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if n_proxies else []
    if not n_proxies or len(hops) < n_proxies:
        return peer  # the request did not pass all proxies
    return _parsed(hops[-n_proxies]) or peer


@lru_cache(maxsize=1000)  # called for each request
def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    # A dual-stack socket reports IPv4 clients as ::ffff:192.0.2.1.
    return getattr(address, "ipv4_mapped", None) or address
