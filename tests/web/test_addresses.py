"""Whom limits per address count together."""

import pytest

from portal.web.address import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "127.0.0.1"),
        ("2001:db8:0:7::1", "2001:db8:0:7::/64"),
        ("2001:db8:0:7:ffff:ffff:ffff:ffff", "2001:db8:0:7::/64"),
        ("2001:DB8:0:7:0:0:0:1", "2001:db8:0:7::/64"),
        ("2001:db8:0:8::1", "2001:db8:0:8::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("::ffff:c633:6407", "198.51.100.7"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_an_address_counts_as_its_network(address, network):
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("one", "other", "is_together"),
    [
        ("2001:db8:0:7::1", "2001:db8:0:7:dead:beef:0:1", True),
        ("2001:db8:0:7::1", "2001:db8:0:8::1", False),
        ("::ffff:198.51.100.7", "198.51.100.7", True),
        ("::ffff:198.51.100.7", "::ffff:198.51.100.8", False),
        ("198.51.100.7", "198.51.100.8", False),
    ],
)
def test_households_count_together_and_neighbours_do_not(one, other, is_together):
    assert (network_of(one) == network_of(other)) is is_together


def test_limits_count_the_network_of_who_is_connected(client):
    def ask(address):
        return client.get("/api/v1/models", environ_base={"REMOTE_ADDR": address})

    found = [ask(f"2001:db8:0:7::{n:x}").status_code for n in range(61)]

    assert found == [200] * 60 + [429]
    assert ask("2001:db8:0:8::1").status_code == 200
