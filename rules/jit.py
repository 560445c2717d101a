"""The compiling of loops, for kinds and kernels."""

from __future__ import annotations

from events.jit import njit

__all__ = ["njit"]
