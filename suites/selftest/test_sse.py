"""Passing means: an event stream is read as the HTML standard says, and every odd line is told.

Not covered: streams read while they arrive; the whole body is parsed after the exchange.
"""

from __future__ import annotations

import itertools

import pytest

from fixtures.clients.sse import SseEvent, SseStream, parse

pytestmark = pytest.mark.selftest

STREAM = (
    "\ufeff: opened\r\n\r\n"
    'data: {"n": 1}\n\n'
    "event: note\rdata: äöü 💡\rdata:second line\r\r"
    "id: 7\nretry: 10\ndata\n\n"
    "data: [DONE]\n\n"
)


def datas(body: bytes) -> list[str]:
    return [event.data for event in parse(body).events]


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"], ids=["LF", "CR", "CRLF"])
def test_each_legal_line_end_ends_lines_and_events(end: str) -> None:
    body = f"data: one{end}data: two{end}{end}data: three{end}{end}".encode()

    assert parse(body) == SseStream((SseEvent("one\ntwo"), SseEvent("three")), (), (), "")


def test_line_ends_may_be_mixed_within_one_event() -> None:
    assert datas(b"data: a\rdata: b\r\ndata: c\n\r\n") == ["a\nb\nc"]


@pytest.mark.parametrize("odd", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x00"])
def test_other_separators_are_part_of_the_data(odd: str) -> None:
    stream = parse(f"data: a{odd}b\n\n".encode())

    assert stream == SseStream((SseEvent(f"a{odd}b"),), (), (), "")


def test_comments_are_kept_apart_and_break_no_event() -> None:
    stream = parse(b": keep-alive\n\ndata: a\n:tight\n:\ndata: b\n\n")

    assert stream.events == (SseEvent("a\nb"),)
    assert stream.comments == ("keep-alive", "tight", "")
    assert stream.violations == ()


def test_an_event_keeps_its_name_and_the_next_one_has_none() -> None:
    stream = parse(b"event: error\ndata: x\n\ndata: y\n\n")

    assert stream.events == (SseEvent("x", "error"), SseEvent("y"))


def test_a_name_without_data_dispatches_nothing_and_is_forgotten() -> None:
    stream = parse(b"event: lost\n\ndata: y\n\n")

    assert stream.events == (SseEvent("y"),)


def test_one_byte_order_mark_is_skipped_and_a_second_is_a_violation() -> None:
    mark = "\ufeff".encode()

    assert datas(mark + b"data: a\n\n") == ["a"]
    twice = parse(mark + mark + b"data: a\n\n")
    assert twice.events == ()
    assert "\\ufeffdata" in twice.violations[0]


@pytest.mark.parametrize(
    ("line", "data"),
    [
        ("data:a", "a"),
        ("data: a", "a"),
        ("data:  a", " a"),
        ("data: a:b", "a:b"),
        ("data:\ta", "\ta"),
        ("data:", ""),
        ("data", ""),
    ],
)
def test_one_space_after_the_colon_belongs_to_the_grammar(line: str, data: str) -> None:
    assert parse(f"{line}\n\n".encode()) == SseStream((SseEvent(data),), (), (), "")


def test_id_and_retry_are_fields_that_carry_no_data() -> None:
    assert parse(b"id: 1\nretry: 2\n\n") == SseStream((), (), (), "")


@pytest.mark.parametrize("line", ["oops no field", "Data: a", " data: a", "datum: x", '{"a": 1}'])
def test_an_unknown_field_is_reported_with_its_line_and_skipped(line: str) -> None:
    stream = parse(f"data: a\n{line}\ndata: b\n\n".encode())

    assert stream.events == (SseEvent("a\nb"),)
    assert stream.violations == (f"line 2 is no event field: {line!r}",)


def test_a_long_unknown_line_is_cut_in_the_report() -> None:
    (violation,) = parse(b"x" * 5000 + b"\n\n").violations

    assert len(violation) < 120


@pytest.mark.parametrize(
    ("tail", "unfinished"),
    [
        (b"data: b", "data: b"),
        (b"data: b\n", "data: b"),
        (b"data: b\ndata: c", "data: b\ndata: c"),
        (b": bye\n", ": bye"),
        (b"d", "d"),
        (b"\n\n\n", ""),
        (b"", ""),
    ],
)
def test_what_no_blank_line_follows_is_unfinished(tail: bytes, unfinished: str) -> None:
    stream = parse(b"data: a\n\n" + tail)

    assert (stream.events, stream.unfinished) == ((SseEvent("a"),), unfinished)


def test_an_empty_body_is_an_empty_stream() -> None:
    assert parse(b"") == SseStream((), (), (), "")


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3(", b"\xed\xa0\x80", b"\xf0\x9f"])
def test_bytes_that_are_no_utf8_are_reported_at_their_place(bad: bytes) -> None:
    stream = parse(b"data: " + bad + b"\n\ndata: fine\n\n")

    assert stream.violations == ("not UTF-8 at byte 6",)
    assert "\ufffd" in stream.events[0].data
    assert stream.events[1] == SseEvent("fine")


def test_every_prefix_of_a_stream_is_read_and_its_last_event_waits_for_its_blank_line() -> None:
    body, whole = STREAM.encode(), parse(STREAM.encode())
    assert [event.data for event in whole.events] == [
        '{"n": 1}',
        "äöü 💡\nsecond line",
        "",
        "[DONE]",
    ]
    assert (whole.comments, whole.violations, whole.unfinished) == (("opened",), (), "")

    for size in range(len(body) + 1):
        part = parse(body[:size])
        assert part.events == whole.events[: len(part.events)], size
        complete = body[:size].endswith((b"\n\n", b"\r\r", b"\r\n\r"))
        # A CRLF that is still to come after its CR leaves nothing open.
        if size > 3 and not complete and not body[:size].endswith(b"\r\n\r\n"):
            assert part.unfinished, size


def test_every_short_text_over_the_grammars_letters_is_read_without_an_error() -> None:
    """Exhaustive: all texts of up to six pieces; events and leftovers account for every datum."""
    pieces = ("data", ":", " ", "x", "\r", "\n")
    for length in range(7):
        for letters in itertools.product(pieces, repeat=length):
            body = "".join(letters)
            stream = parse(body.encode())
            lines = body.replace("\r\n", "\n").replace("\r", "\n").split("\n")
            data = [line for line in lines if line.partition(":")[0] == "data"]
            dispatched = sum(1 + event.data.count("\n") for event in stream.events)
            waiting = [
                line for line in stream.unfinished.split("\n") if line.partition(":")[0] == "data"
            ]
            assert dispatched + len(waiting) == len(data), repr(body)
