"""Decoding: every odd line gets its named reason and costs nothing else, and the fast way reads just what the plain one reads."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import events.decode as decode_module
from events.decode import Decoded, Decoder
from events.event import MAX_LINE_BYTES
from events.feeds import FeedCatalog
from events.line import LineReader, Refusal
from events.lines import Lines

NOW_MS = 1_767_225_600_000
FEEDS = """
feeds:
  alpha: {domain: market, fields: {v: number, n: integer, s: string, b: boolean, t: time}}
  beta: {domain: market, fields: {v: number, w: string}}
  gamma: {domain: market, fields: {v: string, n: number, s: string}}
"""
CATALOG = FeedCatalog.parse(FEEDS)
READER = LineReader(CATALOG)


@pytest.fixture(autouse=True, scope="module")
def _small_batches() -> Iterator[None]:
    """The batch way is taken from few lines on, so that small drawn bodies go both ways."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode_module, "_FEW", 24)
        patch.setattr(decode_module, "_LEAF", 40)
        yield


def event(**fields: Any) -> dict[str, Any]:
    """A good event; a field of None is taken out."""
    base = {"id": "1", "feed": "alpha", "source": "s", "time": "2026-01-01T08:00:00+08:00"}
    return {name: value for name, value in {**base, **fields}.items() if value is not None}


def dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def one(line: bytes, receipt_ms: int | None = NOW_MS) -> tuple[str, str]:
    """(reason, detail) of a refused line; ("", "") of an accepted one."""
    decoded = Decoder(CATALOG).decode(line, receipt_ms=receipt_ms)
    assert len(decoded) + len(decoded.rejected) == 1
    return (decoded.rejected[0].reason, decoded.rejected[0].detail) if decoded.rejected else ("", "")


def plainly(
    data: bytes, receipt_ms: int | None = None
) -> tuple[list[tuple[int, dict[str, Any]]], list[tuple[int, str, str]]]:
    """(line, values) of the accepted and (line, reason, detail) of the refused, with no column in sight."""
    accepted: list[tuple[int, dict[str, Any]]] = []
    refused: list[tuple[int, str, str]] = []
    for number, line in enumerate(data.split(b"\n"), 1):
        line = line.removesuffix(b"\r")
        if line.strip(b" \t\r"):
            try:
                accepted.append((number, READER.read(line.removeprefix(b"\xef\xbb\xbf"), receipt_ms=receipt_ms)))
            except Refusal as refusal:
                refused.append((number, refusal.reason, refusal.detail))
    return accepted, refused


def rows(decoded: Decoded) -> list[tuple[int, dict[str, Any]]]:
    assert decoded.frame.columns == list(CATALOG.schema())
    assert decoded.frame.schema == pl.Schema(CATALOG.schema())
    return [
        (int(number), {name: value for name, value in row.items() if value is not None})
        for number, row in zip(decoded.lines, decoded.frame.iter_rows(named=True), strict=True)
    ]


def assert_alike(data: bytes, decoder: Decoder | None = None, receipt_ms: int | None = None) -> Decoded:
    """The decoder gives just what the plain reading gives, in values, lines, reasons and bytes."""
    decoded = (decoder or Decoder(CATALOG)).decode(data, receipt_ms=receipt_ms)
    accepted, refused = plainly(data, receipt_ms)
    assert repr(rows(decoded)) == repr([(n, dict(sorted(v.items(), key=order))) for n, v in accepted])
    assert [(r.line, r.reason, r.detail) for r in decoded.rejected] == refused
    lines = data.split(b"\n")
    raw = [lines[number - 1].removesuffix(b"\r").removeprefix(b"\xef\xbb\xbf") for number, _ in accepted]
    assert [decoded.raw(row) for row in range(len(decoded))] == raw
    assert decoded.raw_lines() == b"\n".join(raw)
    return decoded


def order(item: tuple[str, Any]) -> int:
    return list(CATALOG.schema()).index(item[0])


# ------------------------------------------------------------------ one line

REFUSED: list[tuple[bytes, str, str]] = [
    (b"{", "bad_json", ""),
    (b"nonsense", "bad_json", ""),
    (b"[]", "bad_json", "an array"),
    (b"5", "bad_json", "found 5"),
    (b"null", "bad_json", "null"),
    (b'"x"', "bad_json", '"x"'),
    (dump(event()) + b"x", "bad_json", "trailing"),
    (dump(event()) * 2, "bad_json", "trailing"),
    (dump(event())[:-1] + b',"v":NaN}', "bad_json", ""),
    (dump(event())[:-1] + b',"v":Infinity}', "bad_json", ""),
    (dump(event())[:-1] + b',"v":-Infinity}', "bad_json", ""),
    (dump(event())[:-1] + b',"v":1e999}', "bad_json", "range"),
    (dump(event())[:-1] + b',"other":1e999}', "bad_json", "range"),
    (dump(event())[:-1] + b',"v":1' + b"0" * 400 + b"}", "bad_json", "range"),
    (dump(event())[:-1] + b',"id":"2"}', "bad_json", '"id" is there twice'),
    (dump(event())[:-1] + b',"id":null}', "bad_json", '"id" is there twice'),
    (dump(event())[:-1] + b',"\\u0069d" :"2"}', "bad_json", '"id" is there twice'),
    (dump(event(s="\ud800")), "bad_utf8", ""),
    (dump(event()).replace(b'"s"', b'"\\ud800"'), "bad_json", ""),
    (dump(event())[:-2] + b'\t"}', "bad_json", ""),
    (b"\xff\xfe" + dump(event()), "bad_utf8", "byte 1 "),
    (dump(event()).replace(b'"s"', b'"\xc0\x80"'), "bad_utf8", ""),
    (dump(event()).replace(b'"s"', b'"\xff"')[:-3], "bad_utf8", ""),
    (dump(event(x=json.loads("[" * 32 + "]" * 32))), "too_deep", "32"),
    (dump(event(x=json.loads('{"a":' * 32 + "1" + "}" * 32))), "too_deep", "32"),
    (b'{"id":"1","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too_deep", "32"),
    (dump(event(s="x" * MAX_LINE_BYTES)), "too_long", str(MAX_LINE_BYTES)),
    (b"x" * (MAX_LINE_BYTES + 1), "too_long", str(MAX_LINE_BYTES + 1)),
    (b"{}", "missing_field", "id"),
    (dump(event(id="")), "missing_field", "id is empty"),
    (dump(event(source="")), "missing_field", "source"),
    (dump({**event(), "time": None}), "missing_field", "time"),
    (dump(event(feed="nonsense", time=5.5)), "unknown_feed", '"nonsense"'),
    (dump(event(feed="alert")), "unknown_feed", '"alert"'),
    (dump(event(feed=7)), "wrong_type", "feed must be text, found 7"),
    (dump(event(id=7)), "wrong_type", "id must be text, found 7"),
    (dump(event(subject=7)), "wrong_type", "subject"),
    (dump(event(region=530102)), "wrong_type", "region must be text, found 530102"),
    (dump(event(lon="102.7")), "wrong_type", 'lon must be a number, found "102.7"'),
    (dump(event(v="1.5")), "wrong_type", 'v must be a number, found "1.5"'),
    (dump(event(v=True)), "wrong_type", "v must be a number, found true"),
    (dump(event(n=True)), "wrong_type", "n must be an integer, found true"),
    (dump(event(n=1.5)), "wrong_type", "n must be an integer, found 1.5"),
    (dump(event(n=2**63)), "wrong_type", "n"),
    (dump(event(n=10**400)), "wrong_type", "a very large integer"),
    (dump(event(b=1)), "wrong_type", "b must be true or false, found 1"),
    (dump(event(b="true")), "wrong_type", "b"),
    (dump(event(s=5)), "wrong_type", "s must be text, found 5"),
    (dump(event(s=["x"])), "wrong_type", "found an array"),
    (dump(event(s={"x": 1})), "wrong_type", "found an object"),
    (dump(event(time="2026-01-01T08:00:00")), "wrong_type", "offset"),
    (dump(event(time="2026-01-01")), "wrong_type", "time"),
    (dump(event(time="2026-02-30T08:00:00Z")), "wrong_type", "time"),
    (dump(event(time="2026-01-01T24:00:00Z")), "wrong_type", "time"),
    (dump(event(time="2026-01-01T08:00:00+24:00")), "wrong_type", "time"),
    (dump(event(time="2026-01-01T08:00:00+08:60")), "wrong_type", "time"),
    (dump(event(time="2026-01-01T08:00:00.Z")), "wrong_type", "time"),
    (dump(event(time="0001-01-01T00:00:00+08:00")), "wrong_type", "time"),
    (dump(event(time="２０２６-01-01T00:00:00Z")), "wrong_type", "time"),
    (dump(event(time="1767225600000")), "wrong_type", "time"),
    (dump(event(time=1767225600000.0)), "wrong_type", "time"),
    (dump(event(time=1767225600000 * 1000)), "wrong_type", "milliseconds"),
    (dump(event(time=True)), "wrong_type", "time"),
    (dump(event(t="yesterday")), "wrong_type", "t: not an RFC 3339 time"),
    (dump(event(time="2026-01-01T08:05:00.001+08:00")), "time_in_future", "300 s ahead"),
    (dump(event(time=NOW_MS + 300_001)), "time_in_future", "300 s ahead"),
]


@pytest.mark.parametrize(("line", "reason", "detail"), REFUSED, ids=range(len(REFUSED)))
def test_a_bad_line_gets_its_reason(line: bytes, reason: str, detail: str) -> None:
    """Alone and among a hundred good ones, and what is said of it names the field and what was found."""
    found, said = one(line)
    assert (found, detail in said) == (reason, True), (found, said)
    assert len(said) < 300
    good = b"".join(dump(event(id=str(i), v=i, s="甲")) + b"\n" for i in range(100))
    decoded = Decoder(CATALOG).decode(good + line + b"\n" + good, receipt_ms=NOW_MS)
    assert [(r.line, r.reason, r.detail, r.raw) for r in decoded.rejected] == [(101, reason, said, line)]
    assert decoded.lines.tolist() == [n for n in range(1, 202) if n != 101]


ACCEPTED: list[tuple[bytes, dict[str, Any]]] = [
    (dump(event(v=1, n=2.0, b=False, s="")), {"v": 1.0, "n": 2, "b": False, "s": ""}),
    (dump({**event(), "v": None, "subject": None}), {}),
    (dump(event(time=NOW_MS)), {}),
    (dump(event(time="2026-01-01t00:00:00z")), {}),
    (dump(event(time="2026-01-01 00:00:00.000999999Z")), {}),
    (dump(event(t="2026-01-01T00:00:00.25-01:30")), {"t": NOW_MS + 5_400_250}),
    (dump(event(t=-5)), {"t": -5}),
    (dump(event(x=json.loads("[" * 31 + "]" * 31), y={"id": 5})), {}),
    (dump(event(w=5, other="x", n=7)), {"n": 7}),
    (b"\xef\xbb\xbf" + dump(event()), {}),
    (b" \t" + dump(event()) + b"\t\r", {}),
    (
        dump(event(s='quote " and [bracket] {brace} : null,":null \\ \x00')),
        {"s": 'quote " and [bracket] {brace} : null,":null \\ \x00'},
    ),
    (dump(event(s="x" * (MAX_LINE_BYTES - 200))), {"s": "x" * (MAX_LINE_BYTES - 200)}),
    (dump(event(lon=102.7, lat=25, region="NYC-BK")), {"lon": 102.7, "lat": 25.0, "region": "NYC-BK"}),
]


@pytest.mark.parametrize(("line", "values"), ACCEPTED, ids=range(len(ACCEPTED)))
def test_an_unusual_line_is_accepted(line: bytes, values: dict[str, Any]) -> None:
    """What the contract allows is taken, alone and among others, with these values."""
    for data in (line, b"\n".join([*[dump(event(id="x"))] * 50, line, *[dump(event(id="x"))] * 50])):
        decoded = Decoder(CATALOG).decode(data, receipt_ms=NOW_MS)
        assert not decoded.rejected
        found = rows(decoded)[len(decoded) // 2][1]
        assert found == {"id": "1", "feed": "alpha", "source": "s", "time": NOW_MS, **values}


def test_one_name_of_several_types_has_several_columns() -> None:
    """A feed that types a name differently from the first has a column of its own for it."""
    lines = [event(id=str(i), feed=feed, v=v) for i in range(40) for feed, v in (("alpha", 1.5), ("gamma", "x"))]
    decoded = assert_alike(b"\n".join(map(dump, lines)))
    assert decoded.frame["v"].to_list() == [1.5, None] * 40
    assert decoded.frame["v@string"].to_list() == [None, "x"] * 40


def test_a_field_that_its_feed_does_not_declare_is_not_in_its_columns() -> None:
    """Another feed's type says nothing about it."""
    lines = [event(id=str(i), feed=feed, s="x", v=1) for i in range(40) for feed in ("alpha", "beta")]
    decoded = assert_alike(b"\n".join(map(dump, lines)))
    assert decoded.frame["s"].to_list() == ["x", None] * 40
    lines = [event(id=str(i), feed="beta", s=5, n="x") for i in range(40)]
    assert assert_alike(b"\n".join(map(dump, lines))).rejected == []


def test_blank_lines_count_but_are_no_events() -> None:
    """Line numbers are those that a person sees in an editor."""
    good = dump(event())
    decoded = assert_alike(b"\n\r\n  \n" + good + b"\n\n\t\r\n" + good + b"\r\nx\n\n\n")
    assert decoded.lines.tolist() == [4, 7]
    assert [r.line for r in decoded.rejected] == [8]
    for data in (b"", b"\n", b"\n\n\n", b" ", b"\r\n"):
        assert len(Decoder(CATALOG).decode(data)) == 0


def test_lines_are_numbered_on_over_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large body is decoded a piece at a time; nobody can tell."""
    rng = random.Random(5)
    data = b"".join(dump(event(id=str(i), s="x" * rng.randrange(50))) + b"\n" * rng.randint(1, 3) for i in range(500))
    whole = Decoder(CATALOG).decode(data)
    for size in (1, 100, 5_000):
        monkeypatch.setattr(decode_module, "_PIECE_BYTES", size)
        assert assert_alike(data).frame.equals(whole.frame)


def test_raw_lines_under_a_mask_are_those_lines() -> None:
    """What goes into the log is what came, line for line."""
    lines = [dump(event(id=str(i))) for i in range(200)]
    for separator in (b"\n", b"\r\n", b"\n\n"):
        decoded = Decoder(CATALOG).decode(separator.join([*lines, b"bad", *lines]))
        assert decoded.raw_lines() == b"\n".join(lines * 2)
        mask = np.array([i % 3 == 0 for i in range(400)])
        assert decoded.raw_lines(mask) == b"\n".join(line for line, kept in zip(lines * 2, mask, strict=True) if kept)
        assert decoded.raw_lines(np.zeros(400, np.bool_)) == b""


def test_what_a_refused_line_says_of_itself_is_kept() -> None:
    """Feed and source, as far as they could be read, for the counters."""
    bad = Decoder(CATALOG).decode(dump(event(source="plant", v="x")) + b"\n" + dump(event(id=None, source=5)) + b"\n{")
    assert [(r.feed, r.source) for r in bad.rejected] == [("alpha", "plant"), ("alpha", ""), ("", "")]


# ---------------------------------------------------------------- two ways


def test_ordinary_batches_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line by line where the events are what departments send: undeclared fields, nulls, escapes, spaces, integer times."""
    monkeypatch.setattr(LineReader, "read", None)
    decoder = Decoder(FeedCatalog.builtin())
    base = {
        "feed": "sensor",
        "source": "s",
        "metric": "w01018",
        "value": 1.5,
        "limit": 50,
        "extra": "x",
        "more": 7,
        "flag": True,
    }
    for changes in (
        {},
        {"time": NOW_MS},
        {"subject": None, "other": None},
        {"feed": "complaint", "text": "水\n:null", "due": NOW_MS},
        {"feed": "complaint", "text": "注: 见附件", "due": "2026-01-01T08:00:00Z"},
        {"time": "2026-01-01T08:00:00.123456+08:00"},
    ):
        lines = [{"id": str(i), "time": "2026-01-01T08:00:00Z", **base, **changes} for i in range(100)]
        for separators in ((",", ":"), (", ", ": ")):
            for escaped in (True, False):
                data = b"\n".join(
                    json.dumps(line, ensure_ascii=escaped, separators=separators).encode() for line in lines
                )
                assert len(decoder.decode(data, receipt_ms=NOW_MS * 2)) == 100


def test_integer_and_text_times_may_alternate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sources with two habits in one batch cost no line by line."""
    lines = [event(id=str(i), time=NOW_MS + i if i % 2 else "2026-01-01T08:00:00+08:00") for i in range(200)]
    data = b"\n".join(map(dump, lines))
    assert_alike(data)
    monkeypatch.setattr(LineReader, "read", None)
    assert len(Decoder(CATALOG).decode(data)) == 200


def test_a_bad_line_does_not_slow_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few of the other lines are read one by one for it."""
    lines = [dump(event(id=str(i), v=i)) for i in range(20_000)]
    lines[7_777] = dump(event(v="bad"))
    read = LineReader.read
    calls = 0

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        return read(*args, **kwargs)

    monkeypatch.setattr(LineReader, "read", counted)
    assert len(Decoder(CATALOG).decode(b"\n".join(lines))) == 19_999
    assert calls < 100


def test_threads_share_a_decoder() -> None:
    """Bodies of different make, decoded by one decoder at the same time, read as if each were alone."""
    makes: list[dict[str, Any]] = [
        {"v": 1},
        {"s": "x", "y": None},
        {"feed": "beta", "w": "z", "x": 1},
        {"time": NOW_MS, "x": "t"},
    ]
    bodies = [b"\n".join(dump({**event(id=str(i)), **make}) for i in range(300)) for make in makes]
    decoder = Decoder(CATALOG)
    alone = [Decoder(CATALOG).decode(body).frame for body in bodies]
    with ThreadPoolExecutor(4) as pool:
        for turn, frame in enumerate(pool.map(lambda n: decoder.decode(bodies[n % 4]).frame, range(80))):
            assert frame.equals(alone[turn % 4])


TRICKY = [
    "",
    "x",
    "甲",
    ":",
    ":null",
    ":null,",
    '"',
    "\\",
    '\\"',
    "null",
    "true",
    "5",
    "[",
    "{",
    "}",
    "a: b",
    " :",
    "1767225600000",
    "\x00",
    "\u2028",
    "😀",
    "\\ud800",
    'x":null',
    "\n",
    "id",
    "\t",
    "feed",
]
TIMES = [
    "2026-01-01T08:00:00+08:00",
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00.5Z",
    "2026-01-01 00:00:00Z",
    NOW_MS,
    NOW_MS + 1,
    "1767225600000",
    1767225600000.0,
    1.5,
    "",
    None,
    True,
    -1,
    10**18,
    10**30,
    "2026-13-01T00:00:00Z",
    "2026-01-01T00:00:00.123456789-11:59",
    "2026-01-01T25:00:00Z",
    "2026-06-31T00:00:00Z",
    "0001-01-01T00:00:00+00:01",
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([2**53 + 1, 2**63, -(2**63), 2**64, 10**25, 10**40, 0.1, -0.0, 1e300, 3.0]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(TRICKY),
    st.text(max_size=4),
)
VALUES = st.one_of(
    SCALARS,
    SCALARS,
    SCALARS,
    st.lists(SCALARS, max_size=2),
    st.dictionaries(st.sampled_from(TRICKY), SCALARS, max_size=2),
)
FITTING = {
    "v": st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-5, 5)),
    "n": st.integers(-5, 5),
    "s": st.sampled_from(TRICKY),
    "b": st.booleans(),
    "t": st.sampled_from(TIMES[:6]),
    "w": st.sampled_from(TRICKY),
    "subject": st.sampled_from(TRICKY),
    "lon": st.floats(-180, 180),
    "x": st.integers(),
    "y": st.sampled_from(TRICKY),
}


@st.composite
def lines(draw: st.DrawFn, *, oddness: int) -> bytes:
    """One line: mostly good where ``oddness`` is low."""

    def odd() -> bool:
        return draw(st.integers(0, 99)) < oddness

    feed = (
        draw(st.sampled_from(["alpha", "alpha", "beta", "gamma"]))
        if not odd()
        else draw(st.sampled_from(["", "nope", 5, None]))
    )
    pairs: list[tuple[str, Any]] = [
        ("id", draw(st.sampled_from(["1", "2", "甲"])) if not odd() else draw(VALUES)),
        ("feed", feed),
        ("source", "s" if not odd() else draw(VALUES)),
        ("time", draw(st.sampled_from(TIMES[:2])) if not odd() else draw(st.sampled_from(TIMES))),
    ]
    names = draw(st.lists(st.sampled_from(list(FITTING)), max_size=4, unique=True))
    pairs += [(name, draw(VALUES) if odd() else draw(FITTING[name])) for name in names]
    if odd():
        pairs.append((draw(st.sampled_from(["id", "v", "x", "s", *TRICKY, "v@string"])), draw(VALUES)))
    if odd():
        pairs.pop(draw(st.integers(0, len(pairs) - 1)))
    comma, colon = (
        draw(st.sampled_from([(",", ":"), (", ", ": ")]))
        if not odd()
        else draw(st.sampled_from([(" ,\t", " : "), (",", ":  "), (",", "\t:")]))
    )
    escaped = draw(st.booleans()) if oddness else False
    texts = [
        json.dumps(name, ensure_ascii=escaped) + colon + json.dumps(value, ensure_ascii=escaped)
        for name, value in pairs
    ]
    line = ("{" + comma.join(texts) + "}").encode("utf-8", "surrogatepass")
    if odd():
        kind = draw(st.integers(0, 6))
        cut = draw(st.integers(0, len(line)))
        line = [
            line[:cut],
            line[:cut] + b"\xff" + line[cut:],
            b" " + line,
            line + b"\r",
            b"",
            b"\xef\xbb\xbf" + line,
            line + line,
        ][kind]
    return line


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    oddness = draw(st.sampled_from([0, 1, 3, 10]))
    few = draw(st.lists(lines(oddness=oddness), min_size=1, max_size=12))
    seed = draw(st.integers(0, 9))
    return b"\n".join(random.Random(seed).choices(few, k=draw(st.sampled_from([5, 30, 80]))))


def spoiled(*changes: bytes) -> bytes:
    """Good lines with these among them, to be read at once."""
    return b"\n".join([dump(event(id=str(i), s="x", v=1)) for i in range(30)] + list(changes))


HEAD = b'{"feed":"alpha","source":"s","time":1767225600000,'
SAFE = [HEAD + b'"id":"1"}'] * 30


@settings(max_examples=300, deadline=None)
@given(bodies(), st.sampled_from([None, NOW_MS, NOW_MS - 300_000]))
@example(spoiled(HEAD + b'"id":5,"s":":null"}'), None)
@example(spoiled(HEAD + b'"id":"1","id":null}'), None)
@example(spoiled(HEAD + b'"id":"1","s" :"1","s":5}'), None)
@example(spoiled(HEAD + b'"id":"1","s":":null","s":null}'), None)
@example(spoiled(HEAD + b'"id":5,"y":":x"}', HEAD + b'"id":"5","v":1,"v":2}'), None)
@example(spoiled(b'{"id":"1","feed":"alpha","source":5,"time":"1767225600000"}'), None)
@example(b"\n".join([*SAFE, HEAD + b'"id":"1","s":"1","n":null,"n":null}']), None)
@example(b"\n".join([*SAFE, HEAD + b'"id":"1","zz":null,"zz":1}']), None)
@example(b"\n".join([*SAFE, HEAD + b'"id":"1","s":7,"s":null}']), None)
def test_all_ways_read_the_same(data: bytes, receipt_ms: int | None) -> None:
    """Whatever the lines, however they are mixed: values, lines, reasons, details and bytes agree, compiled or not."""
    assert_alike(data, receipt_ms=receipt_ms)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode_module, "COMPILED", False)
        assert_alike(data, receipt_ms=receipt_ms)


@settings(max_examples=60, deadline=None)
@given(st.lists(bodies(), min_size=2, max_size=5))
def test_what_was_decoded_before_changes_nothing(several: list[bytes]) -> None:
    """A decoder's hints show in nothing but time."""
    decoder = Decoder(CATALOG)
    for data in several:
        assert_alike(data, decoder)


@settings(max_examples=60, deadline=None)
@given(bodies(), st.integers(1, 40))
def test_any_cut_reads_the_same(data: bytes, size: int) -> None:
    """A batch is the sum of its parts."""
    whole = Decoder(CATALOG).decode(data)
    decoder = Decoder(CATALOG)
    split = data.split(b"\n")
    parts = [decoder.decode(b"\n".join(split[i : i + size])) for i in range(0, len(split), size)]
    frame = pl.concat([part.frame for part in parts])
    assert frame.equals(whole.frame, null_equal=True)
    assert [r.reason for part in parts for r in part.rejected] == [r.reason for r in whole.rejected]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_lines_with_fates(data: bytes) -> None:
    """Noise is refused line by line, and nothing is lost or raised."""
    assert_alike(data)


def test_lines_hold_places() -> None:
    """The offsets of marks lead back to their lines, those on line ends to none."""
    found, count = Lines.of(b"{a}\n\n{bcd}\n{e}")
    assert (count, list(found)) == (4, [b"{a}", b"{bcd}", b"{e}"])
    assert found.holding(np.array([3, 4, 6])).tolist() == [False, True, False]
