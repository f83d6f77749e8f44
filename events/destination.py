"""Where messages may go: which URLs are valid, and which addresses a connection may reach.

A name is looked up when a connection is made, and the connection goes to the very address that was
checked: a name server that answers differently the second time is not asked twice.
"""

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from events.models.webhook import MAX_URL

Address = IPv4Address | IPv6Address

_DEFAULT_PORTS = {"http": 80, "https": 443}
_PRINTABLE = re.compile(r"[!-~]+")
# Addresses that contain an IPv4 address, or lead to one elsewhere, are not needed by any receiver:
# NAT64 (RFC 6052, 8215), 6to4 and its relays, Teredo, and IPv4-compatible ones. Some versions of
# Python take the others for global: IETF's own (RFC 6890), and of documents (RFC 9637).
_NOT_PUBLIC = [
    ip_network(each)
    for each in (
        *("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "192.88.99.0/24", "2001::/32", "::/96"),
        *("192.0.0.0/24", "3fff::/20"),
    )
]


class Refused(Exception):
    """The connection is not made; the message says why."""


@dataclass(frozen=True)
class Destination:
    """The parts of a webhook's URL."""

    is_tls: bool
    host: str
    port: int
    path: str

    @classmethod
    def of(cls, url: str) -> "Destination":
        """Return the destination of a valid URL."""
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.scheme == "https", _host(parts), port, path)


def check_url(url: str) -> str | None:
    """Return what is wrong with a webhook's URL, or None."""
    if len(url) > MAX_URL:
        return f"it has {len(url)} characters; at most {MAX_URL} are allowed"
    if not _PRINTABLE.fullmatch(url):
        return "expected a URL without spaces, in ASCII: percent-encode other characters"
    try:
        parts = urlsplit(url)
        host, _ = _host(parts), parts.port
    except ValueError as error:
        return f"expected a URL such as https://example.org/hook: {error}"
    if parts.scheme not in _DEFAULT_PORTS or not host or parts.port == 0:
        return "expected a URL such as https://example.org/hook"
    if "@" in parts.netloc:
        return "expected a URL without a user and a password: the messages are signed"
    if parts.fragment:
        return "expected a URL without a fragment"
    return _fault_of_host(host)


def addresses_of(destination: Destination) -> list[str]:
    """Look up a destination, and return the addresses to connect to, in the resolver's order.

    Raises:
        Refused: The name is not known, or one of its addresses is not public.
    """
    host = destination.host
    try:
        found = socket.getaddrinfo(host, destination.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Refused(f"{host} cannot be looked up: {error}") from None
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    if not is_allowed(host) and not all(is_public(ip_address(each)) for each in addresses):
        # Without the address, which a caller might not know.
        raise Refused(f"{host} is at an address that is not public: see WEBHOOK_ALLOWED_HOSTS")
    return addresses


def is_public(address: Address) -> bool:
    """Return whether an address is a unicast one of the public internet."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.is_site_local:
            return False
    if any(address in each for each in _NOT_PUBLIC):
        return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


def is_allowed(host: str) -> bool:
    """Return whether WEBHOOK_ALLOWED_HOSTS names a host, wherever it is."""
    return any(
        host == each.strip("[]") or (each.startswith("*.") and host.endswith(each[1:]))
        for each in settings.WEBHOOK_ALLOWED_HOSTS
    )


def _host(parts: SplitResult) -> str:
    return (parts.hostname or "").rstrip(".")


def _fault_of_host(host: str) -> str | None:
    """Return why a host is refused before it is looked up, or None."""
    if is_allowed(host):
        return None
    try:
        is_private = not is_public(ip_address(host))
    except ValueError:
        is_private = host == "localhost" or host.endswith(".localhost")
    if is_private:
        return f"{host} is not public, and WEBHOOK_ALLOWED_HOSTS does not name it"
    return None
