"""Compiled loops where numba is there, the same loops in plain Python where it is not (correct, but slow)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])

try:
    import numba

    _compile: Callable[..., Any] | None = numba.njit(cache=True, nogil=True)
except ImportError:  # exercised by test_without_numba in a process of its own
    _compile = None


def njit(function: F) -> F:
    """Compile on first use and keep the machine code on disk."""
    return function if _compile is None else cast("F", _compile(function))
