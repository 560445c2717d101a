"""Compiled loops where numba is there, the same loops in plain Python where it is not (correct, but slow)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])
#: Small functions are built into their callers. Without ``_nrt`` references to arrays are not counted: that would cost more than
#: what is done with them.
_LEAF: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "forceinline": True, "_nrt": False}

try:
    import numba

    _compile: Callable[..., Any] | None = numba.njit(cache=True, nogil=True)
    _compile_leaf: Callable[..., Any] | None = numba.njit(**_LEAF)
except ImportError:  # exercised by test_without_numba in a process of its own
    _compile = _compile_leaf = None

#: Loops are fast here.
COMPILED = _compile is not None


def njit(function: F) -> F:
    """Compile on first use and keep the machine code on disk."""
    return function if _compile is None else cast("F", _compile(function))


def leaf(function: F) -> F:
    """The same for functions that make no arrays, and their small helpers. Division by zero is as in NumPy."""
    return function if _compile_leaf is None else cast("F", _compile_leaf(function))
