"""The end of a log that is kept, and where a text belongs in it."""

from hypothesis import given
from hypothesis import strategies as st

from trials.domain.attachments.log_tail import MAX_LOG_BYTES, LogTail

TEXTS = st.text(alphabet="aé☃👷\n", max_size=40)


def test_text_is_appended_at_the_end() -> None:
    assert LogTail.of("one\n").extended("two\n") == LogTail("one\ntwo\n", 8)


def test_long_log_begins_with_a_whole_line() -> None:
    lines = [f"line {n}\n" for n in range(20_000)]
    tail = LogTail.of("".join(lines))
    assert tail.size == len("".join(lines))
    assert MAX_LOG_BYTES - 20 < len(tail.text) <= MAX_LOG_BYTES
    assert "".join(lines).endswith("\n" + tail.text)


def test_log_of_one_long_line_begins_with_a_whole_character() -> None:
    tail = LogTail.of("x" + "👷" * 20_000)
    assert tail.text == "👷" * (MAX_LOG_BYTES // 4)
    assert tail.size == 80_001


def test_repeated_text_is_not_added_again() -> None:
    tail = LogTail.of("one\n").extended("two\n", 4)
    assert tail.extended("two\n", 4) is tail
    assert tail.extended("one\n", 0) is tail


def test_text_that_is_partly_new_is_added_in_part() -> None:
    assert LogTail.of("one\n").extended("one\ntwo\n", 0) == LogTail("one\ntwo\n", 8)


def test_behind_a_gap_only_the_new_text_is_kept() -> None:
    assert LogTail.of("one\n").extended("far\n", 1000) == LogTail("far\n", 1004)


@given(st.lists(st.tuples(TEXTS, st.integers(1, 3))))
def test_log_sent_in_pieces_and_again_is_the_log_sent_at_once(
    pieces: list[tuple[str, int]],
) -> None:
    tail, offset = LogTail(), 0
    for text, times in pieces:
        for _ in range(times):
            tail = tail.extended(text, offset)
        offset += len(text.encode())
    assert tail == LogTail.of("".join(text for text, _ in pieces))


@given(TEXTS, st.text(alphabet="aé☃👷\n", min_size=1), st.integers(0, 60))
def test_log_is_never_longer_than_its_size(first: str, second: str, offset: int) -> None:
    tail = LogTail.of(first).extended(second * 5000, offset)
    assert len(tail.text.encode()) <= min(tail.size, MAX_LOG_BYTES)
