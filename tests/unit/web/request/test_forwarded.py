"""What proxies write, as the world writes it: property by property, on text that we did not choose."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from web.request import client, forwarded
from web.request.client import Proxies
from web.request.forwarded import follow, networks, read, written

TRUSTED = networks("10.0.0.0/8, 127.0.0.0/8, fd00::/8")
STRANGERS = st.one_of(
    st.ip_addresses(v=4).filter(lambda one: not forwarded.within(one, TRUSTED)),
    st.ip_addresses(v=6).filter(lambda one: not forwarded.within(read(str(one)), TRUSTED)),
)
PORTS = st.integers(0, 65_535)
LINES = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=60)
NO_COMMA = LINES.map(lambda text: text.replace(",", ""))


def spellings(one: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> list[str]:
    """All ways in which proxies write one address."""
    if one.version == 4:
        return [f"{one}", f"{one}:{port}", f" {one} ", f"::ffff:{one}", f"[::ffff:{one}]:{port}"]
    return [f"{one}", one.exploded, f"[{one}]", f"[{one}]:{port}", f"{one}%eth0", str(one).upper()]


@given(STRANGERS, PORTS)
def test_every_spelling_of_an_address_is_that_address(one, port):
    inner = getattr(one, "ipv4_mapped", None) or one
    assert {read(text) for text in spellings(one, port)} == {inner}


@given(LINES)
def test_nothing_that_is_written_breaks_the_reading(line):
    for header in ("X-Forwarded-For", "Forwarded"):
        for entry in written([line, line], header):
            read(entry)
        found = follow("127.0.0.1", written([line], header), TRUSTED)
        ipaddress.ip_address(found.address)  # logs take an address and nothing else


@given(st.lists(NO_COMMA, max_size=4), STRANGERS, PORTS, st.lists(st.sampled_from(["10.1.2.3", "127.0.0.9"])))
def test_whatever_a_client_claims_the_first_from_the_right_that_is_not_ours_is_the_client(
    claims, one, port, proxies
):
    inner = getattr(one, "ipv4_mapped", None) or one
    for text in spellings(one, port):
        chain = written([",".join(claims), ", ".join([text, *proxies])], "X-Forwarded-For")
        found = follow("10.0.0.1", chain, TRUSTED)
        assert (found.address, found.known) == (str(inner), True)


@given(NO_COMMA.filter(lambda text: text.strip() and read(text) is None), st.lists(STRANGERS.map(str)))
def test_what_cannot_be_parsed_is_a_stranger(nonsense, claims):
    chain = written([", ".join([*claims, nonsense])], "X-Forwarded-For")
    assert not follow("10.0.0.1", chain, TRUSTED).known


@given(STRANGERS, PORTS, LINES)
def test_a_peer_that_is_not_trusted_is_the_client_whatever_it_writes(one, port, line):
    raw = [(b"x-forwarded-for", line.encode("latin-1")), (b"forwarded", b"for=10.0.0.1")]
    scope = {"type": "http", "client": (str(one), port), "headers": raw}
    found = client.of(scope, Proxies(trusted=TRUSTED))
    assert found.address == str(getattr(one, "ipv4_mapped", None) or one)
    assert found.way == "unseen"


@given(STRANGERS, PORTS, st.sampled_from(["for", "FOR", "For"]), st.booleans())
def test_elements_of_rfc_7239(one, port, name, by):
    inner = getattr(one, "ipv4_mapped", None) or one
    node = f'"[{one}]:{port}"' if one.version == 6 else f"{one}"
    element = f"proto=https;{name}={node}" + (';by="_x,y;z\\""' if by else "")
    chain = written([f'for="127.0.0.1, for=127.0.0.1" , {element}', "for=10.2.3.4;host=a"], "Forwarded")
    found = follow("10.0.0.1", chain, TRUSTED)
    assert (found.address, found.known) == (str(inner), True)


def test_elements_of_rfc_7239_that_hide_who_asks_are_strangers():
    for text in (
        "for=unknown",
        'for="_hidden"',
        "by=1.2.3.4",
        "for=1.2.3.4 5",
        'for="1.2.3.4',
        "for=1.2.3.4;;",
    ):
        assert not follow("10.0.0.1", written([text], "Forwarded"), TRUSTED).known, text


def test_only_the_header_that_is_named_is_read():
    raw = [(b"x-forwarded-for", b"203.0.113.5"), (b"forwarded", b"for=203.0.113.6")]
    scope = {"type": "http", "client": ("10.0.0.1", 1), "headers": raw}
    assert client.address(dict(scope), Proxies(trusted=TRUSTED)) == "203.0.113.5"
    assert client.address(dict(scope), Proxies(trusted=TRUSTED, header="Forwarded")) == "203.0.113.6"


def test_a_chain_of_trusted_alone_begins_with_who_asks_and_an_empty_one_tells_nobody():
    assert follow("10.0.0.1", ["10.0.0.9", "10.0.0.2"], TRUSTED).address == "10.0.0.9"
    assert not follow("10.0.0.1", [], TRUSTED).known
    assert not follow("10.0.0.1", ["10.0.0.9"] * 1_000, TRUSTED).known


@given(STRANGERS.filter(lambda one: one.version == 6 and not one.ipv4_mapped))
def test_an_ipv6_address_is_counted_by_its_network_however_it_is_written(one):
    same = ipaddress.ip_network((one, 64), strict=False)
    assert {client.bucket(text) for text in (str(one), one.exploded, str(same[7]))} == {str(same)}
    assert client.bucket("::ffff:192.0.2.1") == client.bucket("192.0.2.1")
