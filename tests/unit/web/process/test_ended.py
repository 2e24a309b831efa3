from __future__ import annotations

from tasks.jobs import JobState
from web.process.ended import FRESH_SECONDS, KEPT, EndedAnswers, Shown


def shown(body: bytes) -> Shown:
    return Shown(body, JobState.FAILED)


def test_an_answer_is_kept_for_a_moment_only():
    now = [0.0]
    ended = EndedAnswers(lambda: now[0])
    answer = shown(b"{}")
    ended.keep("a", answer)
    assert ended.get("a") is answer
    assert ended.get("b") is None
    now[0] += FRESH_SECONDS
    assert ended.get("a") is None


def test_the_oldest_answers_go_first():
    ended = EndedAnswers(lambda: 0.0)
    for number in range(KEPT + 1):
        ended.keep(str(number), shown(b"{}"))
    assert ended.get("0") is None
    assert ended.get("1")
    assert ended.get(str(KEPT))


def test_the_tag_follows_the_bytes():
    assert shown(b"one").etag == shown(b"one").etag != shown(b"two").etag
