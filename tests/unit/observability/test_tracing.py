import re

import pytest

from observability.tracing import accept_or_new, trace_id

GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def test_a_valid_header_is_kept():
    assert accept_or_new(GOOD, "f" * 32) == GOOD
    assert trace_id(GOOD) == TRACE


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "nonsense",
        GOOD.upper(),
        GOOD + "-more",
        "ff" + GOOD[2:],
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-b7ad6b7169203331-01",
        GOOD + "\n\nSet-Cookie: x",
    ],
)
def test_a_bad_header_is_replaced_by_the_request_id(header):
    assert trace_id(header) is None
    assert trace_id(accept_or_new(header, "ab" * 16)) == "ab" * 16


def test_a_later_version_keeps_its_trace_in_our_version():
    made = accept_or_new(f"cc-{TRACE}-b7ad6b7169203331-01-what-the-future-will-be-like")
    assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-01", made)


@pytest.mark.parametrize("request_id", [None, "", "0" * 32, "../../etc", "AB" * 16])
def test_a_bad_request_id_gives_a_new_trace(request_id):
    first, second = accept_or_new(None, request_id), accept_or_new(None, request_id)
    assert trace_id(first)
    assert trace_id(first) != trace_id(second)
