"""The client's address, with and without proxies."""

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from tuner_project.security.client_address import client_address, client_network


@pytest.mark.parametrize(
    ("n_proxies", "forwarded", "address"),
    [
        (0, None, "10.0.0.1"),
        (0, "192.0.2.1", "10.0.0.1"),
        (1, None, "10.0.0.1"),
        (1, "192.0.2.1", "192.0.2.1"),
        (1, "6.6.6.6, 192.0.2.1", "192.0.2.1"),
        (2, "6.6.6.6,192.0.2.1, 10.0.0.2", "192.0.2.1"),
        (2, "192.0.2.1", "10.0.0.1"),
        (1, "2001:DB8::1", "2001:db8::1"),
        (1, "::ffff:192.0.2.1", "192.0.2.1"),
        (1, "unknown", "10.0.0.1"),
        (1, "", "10.0.0.1"),
        (1, "192.0.2.1,\0", "10.0.0.1"),
    ],
)
def test_client_address_is_that_seen_by_the_last_trusted_proxy(
    settings: Settings, n_proxies: int, forwarded: str | None, address: str
) -> None:
    settings.TRUSTED_PROXIES = n_proxies
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR="10.0.0.1")
    assert client_address(request) == address


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::"),
        ("", ""),
    ],
)
def test_client_network_has_64_bits_for_ipv6(address: str, network: str) -> None:
    assert client_network(RequestFactory().get("/", REMOTE_ADDR=address)) == network
