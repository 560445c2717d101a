"""The frame of a report page: one file, no script, nothing from outside; light or dark as the reader's system is."""

from __future__ import annotations

from html import escape
from importlib import resources


def framed(title: str, body: str) -> str:
    """A whole page."""
    style = resources.files("fengsui.workbench").joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="zh-CN">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def both(zh: str, en: str) -> str:
    """A label: Chinese, and English beside it, quieter."""
    return f'{escape(zh)} <span class="en" lang="en">{escape(en)}</span>'
