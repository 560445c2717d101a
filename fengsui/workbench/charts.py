"""Small charts as SVG, drawn by the colours of the page that they stand in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH = 960
_LEFT = 44
_TOP = 14
_PLOT = 132
_LABELS = 22
_GAP = 0.28
_MOST_LABELS = 12


@dataclass(frozen=True)
class Bar:
    """One column: what stayed and what was added above the line, what is gone below it."""

    label: str
    title: str
    kept: int
    added: int
    gone: int


def bars(columns: Sequence[Bar], name: str) -> str:
    """Columns over time. The scale is one for both sides of the line, so that a gone opening is as tall as an added one."""
    up = max((one.kept + one.added for one in columns), default=0)
    down = max((one.gone for one in columns), default=0)
    unit = _PLOT / max(1, up + down)
    zero = _TOP + up * unit
    bottom = zero + down * unit
    height = bottom + _LABELS
    slot = (_WIDTH - _LEFT) / max(1, len(columns))
    thick = min(36.0, slot * (1 - _GAP))
    parts = [_line(_TOP, "grid") if up else "", _tick(_TOP, up) if up else ""]
    if down:
        parts += [_line(bottom, "grid"), _tick(bottom, -down)]
    every = -(-len(columns) // _MOST_LABELS)
    for place, one in enumerate(columns):
        x = _LEFT + slot * place + (slot - thick) / 2
        parts.append(f"<g><title>{escape(one.title)}</title>")
        parts.append(
            f'<rect class="hit" x="{_LEFT + slot * place:.1f}" y="{_TOP}" width="{slot:.1f}" height="{bottom - _TOP:.1f}"/>'
        )
        parts.append(_rect("kept", x, zero - one.kept * unit, thick, one.kept * unit))
        parts.append(_rect("added", x, zero - (one.kept + one.added) * unit, thick, one.added * unit))
        parts.append(_rect("gone", x, zero, thick, one.gone * unit))
        parts.append("</g>")
        if place % every == 0:
            parts.append(_text(x + thick / 2, bottom + 16, one.label, "middle"))
    parts.append(_line(zero, "axis"))
    return _svg(height, name, parts)


def strip(rows: Sequence[tuple[str, Sequence[int]]], labels: Sequence[str], name: str) -> str:
    """Rows of cells, the darker the more, each with its number."""
    most = max((count for _, counts in rows for count in counts), default=0)
    left, side = 92, 26
    slot = (_WIDTH - left) / max(1, len(labels))
    height = len(rows) * (side + 4) + _LABELS
    parts = []
    for row, (title, counts) in enumerate(rows):
        y = row * (side + 4)
        parts.append(_text(0, y + side / 2 + 4, title, "start"))
        for place, count in enumerate(counts):
            x = left + slot * place
            share = 0.0 if not most or not count else 0.16 + 0.74 * count / most
            tone = "strong" if share > 0.55 else "weak"
            parts.append(f"<g><title>{escape(f'{title} {labels[place]}: {count:,}')}</title>")
            parts.append(f'<rect class="cell" x="{x:.1f}" y="{y}" width="{slot - 3:.1f}" height="{side}" rx="3"/>')
            if count:
                parts.append(
                    f'<rect class="heat" x="{x:.1f}" y="{y}" width="{slot - 3:.1f}" height="{side}" rx="3" '
                    f'fill-opacity="{share:.2f}"/>'
                )
                parts.append(_text(x + (slot - 3) / 2, y + side / 2 + 4, _short(count), "middle", f"on {tone}"))
            parts.append("</g>")
    for place, label in enumerate(labels):
        if place % 3 == 0:
            parts.append(_text(left + slot * place + (slot - 3) / 2, height - 6, label, "middle"))
    return _svg(height, name, parts)


def steps(
    points: Sequence[tuple[float, float]], name: str, *, marks: Sequence[tuple[float, str]], limit: float, unit: str
) -> str:
    """A curve of alerts a day over a threshold, with upright lines for some thresholds and a level one for what is wanted."""
    low, high = points[0][0], points[-1][0]
    most = max(*(y for _, y in points), limit, 1e-9) * 1.06
    height = 260
    bottom = height - _LABELS - 12

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            _LEFT + (x - low) / ((high - low) or 1) * (_WIDTH - _LEFT - 24),
            _TOP + (1 - y / most) * (bottom - _TOP),
        )

    path = " ".join(
        f"{'M' if i == 0 else 'L'}{px:.1f} {py:.1f}" for i, (px, py) in enumerate(place(*p) for p in points)
    )
    wanted = place(low, limit)[1]
    parts = [
        _line(bottom, "axis"),
        f'<line class="limit" x1="{_LEFT}" x2="{_WIDTH}" y1="{wanted:.1f}" y2="{wanted:.1f}"/>',
        _text(_WIDTH - 4, wanted - 5, unit, "end"),
        f'<path class="curve" d="{path}"/>',
    ]
    for x, y in points:
        px, py = place(x, y)
        parts.append(f'<circle class="dot" cx="{px:.1f}" cy="{py:.1f}" r="2.5"><title>{x:g}: {y:,.2f}</title></circle>')
    for order, (x, label) in enumerate(marks):
        px, _ = place(min(max(x, low), high), 0)
        anchor = "end" if px > _WIDTH - 150 else "start"
        shift = -6 if anchor == "end" else 6
        parts.append(f'<line class="mark" x1="{px:.1f}" x2="{px:.1f}" y1="{_TOP}" y2="{bottom:.1f}"/>')
        parts.append(_text(px + shift, _TOP + 12 + 17 * order, label, anchor, "told"))
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = low + (high - low) * share
        parts.append(_text(place(x, 0)[0], height - 8, f"{x:.4g}", "middle"))
    parts.append(_text(_LEFT - 6, _TOP + 8, f"{most:,.3g}", "end"))
    parts.append(_text(_LEFT - 6, bottom, "0", "end"))
    return _svg(height, name, parts)


def _svg(height: float, name: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{escape(name, quote=True)}">'
        f"{''.join(parts)}</svg>"
    )


def _rect(name: str, x: float, y: float, width: float, height: float) -> str:
    if height <= 0:
        return ""
    inset = 0.75 if name == "gone" else 0.0  # its outline lies inside
    return (
        f'<rect class="{name}" x="{x + inset:.1f}" y="{y + inset:.1f}" width="{max(0.5, width - 2 * inset):.1f}" '
        f'height="{max(0.5, height - 2 * inset):.1f}"/>'
    )


def _line(y: float, name: str) -> str:
    return f'<line class="{name}" x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'


def _tick(y: float, count: int) -> str:
    return _text(_LEFT - 6, y + 4, f"{count:,}" if count >= 0 else f"−{-count:,}", "end")


def _text(x: float, y: float, text: str, anchor: str, name: str = "") -> str:
    kind = f' class="{name}"' if name else ""
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _short(count: int) -> str:
    return f"{count / 1000:.1f}k" if count >= 1000 else str(count)
