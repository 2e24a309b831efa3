"""What a bulk's answer means for each line, in the shapes Elasticsearch documents."""

import pytest

from observability.shipper import bulk
from observability.shipper.line import Line

LINES = [Line(b"%d" % number, number, b"{}") for number in range(3)]


def _answer(*items: dict) -> dict:
    return {"errors": any(item["status"] > 299 for item in items), "items": [{"create": i} for i in items]}


def test_documents_put_into_the_failure_store_are_delivered_and_counted():
    answer = bulk._read(
        _answer({"status": 201}, {"status": 201, "failure_store": "used"}, {"status": 201}), LINES
    )

    assert (answer.delivered, answer.stored_as_failure) == (3, 1)


def test_the_failure_store_is_counted_beside_errors_too():
    answer = bulk._read(
        _answer({"status": 409}, {"status": 201, "failure_store": "used"}, {"status": 429}), LINES
    )

    assert (answer.delivered, answer.repeated, answer.stored_as_failure) == (1, 1, 1)
    assert answer.again == [LINES[2]]


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_what_is_no_fault_of_the_line_goes_again(status):
    answer = bulk._read(_answer({"status": status}, {"status": 201}, {"status": 201}), LINES)

    assert answer.again == LINES[:1]
    assert answer.dead == []


def test_a_line_that_is_at_fault_is_set_aside_with_its_reason():
    error = {"type": "document_parsing_exception", "reason": "bad"}
    answer = bulk._read(_answer({"status": 400, "error": error}, {"status": 201}, {"status": 201}), LINES)

    assert answer.dead == [(LINES[0], "400 document_parsing_exception: bad")]


def test_an_answer_of_another_length_settles_nothing():
    with pytest.raises(bulk.Uncertain):
        bulk._read(_answer({"status": 201}), LINES)
