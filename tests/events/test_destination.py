"""Which URLs webhooks may have, and which addresses are connected to."""

from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.destination import Destination, Refused, addresses_of, check_url, is_allowed, is_public


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/hook",
        "http://example.org",
        "https://example.org:8443/a/b?c=d%20e",
        "https://93.184.216.34/",
        "https://[2606:2800:220:1::1]:444/x",
        "https://xn--mnchen-3ya.example/",
    ],
)
def test_public_url_is_valid(url: str) -> None:
    assert check_url(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org/hook",
        "//example.org/hook",
        "ftp://example.org/hook",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://",
        "https:///hook",
        "https://user@example.org/",
        "https://user:password@example.org/",
        r"https://example.org\@127.0.0.1/",
        "https://example.org:0/",
        "https://example.org:65536/",
        "https://example.org:x/",
        "https://example.org/#fragment",
        "https://example.org/a b",
        "https://example.org/\r\nHost: internal",
        "https://münchen.example/",
        "https://[::1",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://a.localhost/",
        "http://127.0.0.1:8000/",
        "http://10.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://169.254.169.254/latest/meta-data",
        f"https://example.org/{'x' * 2000}",
    ],
)
def test_other_url_is_refused(url: str) -> None:
    assert check_url(url)


PRIVATE = [
    "0.0.0.0",  # noqa: S104
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.1",
    "192.0.0.8",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "3fff::1",
    "2002:7f00:1::",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%lo",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_address_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:93.184.216.34"]
)
def test_address_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@given(st.ip_addresses())
def test_public_address_is_one_of_the_internet(address: Any) -> None:
    if is_public(address):
        assert address.is_global or address.ipv4_mapped.is_global
        assert not address.is_multicast


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "0"]
)
def test_spelling_of_a_private_address_is_refused_when_it_is_looked_up(host: str) -> None:
    with pytest.raises(Refused, match="not public"):
        addresses_of(Destination(False, host, 80, "/"))


def test_unknown_name_is_refused() -> None:
    with pytest.raises(Refused, match="cannot be looked up"):
        addresses_of(Destination(False, "nowhere.invalid", 80, "/"))
    with pytest.raises(Refused, match="cannot be looked up"):
        addresses_of(Destination(False, "x" * 64 + ".example", 80, "/"))


def test_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = [(2, 1, 6, "", (each, 80)) for each in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr("socket.getaddrinfo", lambda *args, **kwargs: answer)
    with pytest.raises(Refused, match=r"^example.org is at an address that is not public"):
        addresses_of(Destination(True, "example.org", 443, "/"))


@pytest.mark.parametrize(
    ("host", "is_named"),
    [
        ("hooks.internal", True),
        ("a.hooks.internal", False),
        ("a.corp.example", True),
        ("a.b.corp.example", True),
        ("corp.example", False),
        ("evilcorp.example", False),
        ("10.0.0.7", True),
        ("10.0.0.70", False),
        ("fd00::7", True),
    ],
)
def test_allowed_hosts_are_named(settings: Any, host: str, is_named: bool) -> None:
    settings.WEBHOOK_ALLOWED_HOSTS = ["hooks.internal", "*.corp.example", "10.0.0.7", "[fd00::7]"]
    assert is_allowed(host) is is_named


def test_url_of_an_allowed_host_is_valid(settings: Any) -> None:
    settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
    assert check_url("http://127.0.0.1:9000/") is None
    assert check_url("http://LocalHost:9000/") is None
    assert check_url("http://127.0.0.2:9000/")
