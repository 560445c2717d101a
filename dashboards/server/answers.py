"""A collection as JSON, CSV or Parquet: what the Accept header, or ``format=``, asks for."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Literal
from urllib.parse import quote

import msgspec
import polars as pl
from starlette.requests import Request
from starlette.responses import Response

from dashboards.server.problems import Problem
from sinks.filters import Filter, decode_cursor, encode_cursor

Form = Literal["json", "csv", "parquet"]

MEDIA_TYPES: dict[Form, str] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
_BY_TYPE: dict[str, Form] = {
    "application/json": "json",
    "application/*": "json",
    "*/*": "json",
    "text/csv": "csv",
    "text/*": "csv",
    "application/vnd.apache.parquet": "parquet",
    "application/x-parquet": "parquet",
}
_encoder = msgspec.json.Encoder()
#: What a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def json_answer(value: object, status: int = 200) -> Response:
    """Anything that msgspec encodes, as JSON."""
    return Response(_encoder.encode(value), status, media_type="application/json")


def wanted_form(request: Request) -> Form:
    """The form of a collection. Problem 406 where none that the client takes can be given; 400 for an unknown ``format``."""
    named = request.query_params.get("format")
    if named is not None:
        for form in MEDIA_TYPES:
            if named == form:
                return form
        raise Problem(400, f"format: must be json, csv or parquet, not {named[:40]!r}")
    best: tuple[float, Form] | None = None
    for part in request.headers.get("accept", "*/*").split(","):
        media, *params = (piece.strip().lower() for piece in part.split(";"))
        known = _BY_TYPE.get(media)
        quality = _quality(params)
        if known is not None and quality > 0 and (best is None or quality > best[0]):
            best = (quality, known)
    if best is None:
        raise Problem(406, f"Accept: {request.headers.get('accept', '')[:100]}")
    return best[1]


def _quality(params: Iterable[str]) -> float:
    for param in params:
        if param.startswith("q="):
            try:
                return float(param[2:])
            except ValueError:
                return 0.0
    return 1.0


def page_by_name(
    items: Iterable[dict[str, Any]], wanted: Filter, *, kind: str, name: str
) -> tuple[list[dict[str, Any]], str | None]:
    """The page of a list that is sorted by the unique text ``name``, and its next cursor. FilterError on another list's."""
    after = str(decode_cursor(kind, wanted.cursor, str)[0]) if wanted.cursor is not None else None
    rest = (item for item in items if after is None or item[name] > after)
    found = list(islice(rest, wanted.limit + 1))
    page = found[: wanted.limit]
    return page, encode_cursor(kind, page[-1][name]) if len(found) > len(page) else None


def collection(
    request: Request,
    name: str,
    items: Sequence[object],
    next_cursor: str | None = None,
    *,
    columns: Sequence[str] = (),
    beside: Mapping[str, object] | None = None,
) -> Response:
    """``{"items": [...], "next": ...}``, or a table whose next page stands in the Link header.

    ``beside``: what else the JSON says of the whole. ``name`` becomes the name of a downloaded file. ``columns``: the head of a table without rows.
    """
    form = wanted_form(request)
    if form == "json":
        return json_answer({"items": items, "next": next_cursor, **(beside or {})})
    rows = [flatten(msgspec.to_builtins(item)) for item in items]
    # Asked for by a link in a browser: it will be opened in a spreadsheet, by a person.
    download = "format" in request.query_params
    body = to_csv(rows, columns, for_spreadsheet=download) if form == "csv" else to_parquet(rows, columns)
    headers = {"Vary": "Accept"}
    if next_cursor is not None:
        following = request.url.include_query_params(cursor=next_cursor)
        headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    if download:
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name)}.{form}"
    return Response(body, headers={**headers, "Content-Type": MEDIA_TYPES[form]})


def flatten(item: Mapping[str, Any]) -> dict[str, Any]:
    """One level: texts in two languages become two columns, what else is nested becomes JSON."""
    row: dict[str, Any] = {}
    for name, value in item.items():
        if isinstance(value, dict) and value and value.keys() <= {"zh", "en"}:
            for language in ("zh", "en"):
                row[f"{name}_{language}"] = value.get(language)
        elif isinstance(value, (dict, list, tuple)):
            row[name] = _encoder.encode(value).decode()
        else:
            row[name] = value
    return row


def _columns(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def to_csv(rows: Sequence[Mapping[str, Any]], head: Sequence[str] = (), *, for_spreadsheet: bool = False) -> bytes:
    """RFC 4180 in UTF-8. For spreadsheets: with a byte order mark, and texts that look like formulas are quoted by ``'``.

    ``head``: the columns of a table without rows.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    columns = _columns(rows) or list(head)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(name), for_spreadsheet=for_spreadsheet) for name in columns])
    return text.getvalue().encode("utf-8-sig" if for_spreadsheet else "utf-8", "replace")


def _cell(value: object, *, for_spreadsheet: bool) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if for_spreadsheet and isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return value


def to_parquet(rows: Sequence[Mapping[str, Any]], head: Sequence[str] = ()) -> bytes:
    """A column of one type each; where the rows differ, text. ``head``: the columns of a table without rows."""
    series = [_series(name, [row.get(name) for row in rows]) for name in _columns(rows) or head]
    buffer = io.BytesIO()
    pl.DataFrame(series).write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def _series(name: str, values: list[Any]) -> pl.Series:
    kinds = {type(value) for value in values if value is not None}
    if kinds and kinds <= {bool}:
        return pl.Series(name, values, pl.Boolean)
    if kinds and kinds <= {int} and all(v is None or -(2**63) <= v < 2**63 for v in values):
        return pl.Series(name, values, pl.Int64)
    if kinds and kinds <= {int, float}:
        return pl.Series(name, [None if v is None else float(v) for v in values], pl.Float64)
    texts = [v if v is None or isinstance(v, str) else _encoder.encode(v).decode() for v in values]
    return pl.Series(name, texts, pl.String)
