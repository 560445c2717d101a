"""Compiled loops where numba is there, the same loops in plain Python where it is not (correct, but slow)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

try:
    from numba import njit as _njit
except ImportError:  # pragma: no cover - exercised by test_without_numba in a process of its own
    _njit = None


def njit(function: F) -> F:
    """Compile on first use and keep the machine code on disk."""
    return function if _njit is None else _njit(cache=True, nogil=True)(function)
