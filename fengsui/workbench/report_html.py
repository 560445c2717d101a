"""A backtest as one page that stands alone."""

from __future__ import annotations

from fengsui.workbench.report import Report


def page(report: Report) -> str:
    return report.file
