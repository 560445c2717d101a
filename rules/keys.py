"""Keys as dense integers: each distinct tuple of ``by`` values gets the next number, for good.

Polars' own categorical codes reset between batches, so the index is ours: an open-addressing table over two 64-bit hashes of
the tuple (128 bits in all: no two keys will meet). The values themselves stay in columns, for the transitions that name them.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from events.transition import Key
from rules.arrays import NEVER, Bools, Ints, Renumbering, grown
from rules.jit import njit

SEEDS = (0x5EED, 0xBEAC0)
_MAX_TOLD = 10_000
_MIX = np.uint64(0x9E3779B97F4A7C15)


#: (column, seed) -> hashes of a batch
Hashes = dict[tuple[str, int], NDArray[np.uint64]]


@njit
def _place(h1: Any, h2: Any, valid: Any, t1: Any, t2: Any, codes: Any, out: Any, fresh: Any, known: int) -> int:
    """Look each hash up, giving new ones the next code; the rows of new keys go to ``fresh``. -> how many are new."""
    mask = len(t1) - 1
    new = 0
    for i in range(len(h1)):
        if not valid[i]:
            out[i] = -1
            continue
        a = h1[i]
        b = h2[i]
        at = np.int64(a & np.uint64(mask))
        while codes[at] >= 0 and (t1[at] != a or t2[at] != b):
            at = (at + 1) & mask
        if codes[at] < 0:
            t1[at] = a
            t2[at] = b
            codes[at] = known + new
            fresh[new] = i
            new += 1
        out[i] = codes[at]
    return new


@njit
def _refill(h1: Any, h2: Any, old: Any, t1: Any, t2: Any, codes: Any) -> None:
    mask = len(t1) - 1
    for i in range(len(old)):
        if old[i] < 0:
            continue
        at = np.int64(h1[i] & np.uint64(mask))
        while codes[at] >= 0:
            at = (at + 1) & mask
        t1[at] = h1[i]
        t2[at] = h2[i]
        codes[at] = old[i]


class KeyIndex:
    """Codes for the tuples of ``by``. Codes are an inner matter: they depend on the order of arrival, names do not."""

    def __init__(self, by: tuple[str, ...], owner: str = "") -> None:
        self.by = by
        #: names its column in a plan; ``owner`` keeps apart what has the same fields and is not the same
        self.name = ",".join(by) + (f" of {owner}" if owner else "")
        self._t1: NDArray[np.uint64] = np.zeros(1024, np.uint64)
        self._t2: NDArray[np.uint64] = np.zeros(1024, np.uint64)
        self._codes: Ints = np.full(1024, -1, np.int64)
        self._chunks: list[pl.DataFrame] = []
        #: keys that alerts named lately
        self._told: dict[int, Key] = {}
        self.size = 0
        #: when each key was last heard of, epoch ms; the entry after the last key takes what has none
        self._heard: Ints = np.full(1, NEVER, np.int64)

    def encode(self, columns: list[pl.Series], hashes: Hashes | None = None) -> Ints:
        """One code a row; -1 where a field is null. ``hashes``: those of columns that others hashed already."""
        n = len(columns[0]) if columns else 0
        valid = np.ones(n, np.bool_)
        for column in columns:
            if column.null_count() == n:
                return np.full(n, -1, np.int64)
            if column.null_count():
                valid &= column.is_not_null().to_numpy()
        h1, h2 = (self._hash(columns, seed, hashes) for seed in SEEDS)
        self._reserve(n)
        out = np.empty(n, np.int64)
        fresh = np.empty(n, np.int64)
        new = _place(h1, h2, valid, self._t1, self._t2, self._codes, out, fresh, self.size)
        if new:
            rows = fresh[:new]
            self._chunks.append(
                pl.DataFrame([_copied(c.gather(rows), b) for b, c in zip(self.by, columns, strict=True)])
            )
            self.size += new
        return out

    def hear(self, codes: Ints, time: Ints) -> None:
        """Events of these keys came in."""
        if len(self._heard) <= self.size:
            self._heard = grown(self._heard, self.size + 1, NEVER)
        # the newest time, whatever came last; code -1 falls on the last entry, which no key has
        np.maximum.at(self._heard, codes, time)

    def silent_since(self, instant: int) -> Bools:
        """Keys not heard of since then."""
        self._heard = grown(self._heard, self.size + 1, NEVER)
        return self._heard[: self.size] < instant

    def forget(self, renumbering: Renumbering) -> None:
        """Only keep some keys, under new codes."""
        values = self.values().filter(renumbering.keep)
        heard = renumbering.of(self._heard)
        self._t1, self._t2 = np.zeros(1024, np.uint64), np.zeros(1024, np.uint64)
        self._codes = np.full(1024, -1, np.int64)
        self._chunks, self.size = [], 0
        self._told.clear()
        if len(values):
            self.encode(values.get_columns())
        self._heard = grown(heard, self.size + 1, NEVER)

    def code_of(self, key: Mapping[str, object], schema: dict[str, Any]) -> int:
        """The code of one key given by its values, made if new (``expect`` lists keys before they were heard)."""
        return int(self.encode([pl.Series(b, [key[b]], dtype=schema[b]) for b in self.by])[0])

    def values(self) -> pl.DataFrame:
        """All keys in the order of their codes."""
        if len(self._chunks) != 1:
            # many small batches of new keys would leave as many chunks behind, and each look-up would walk them
            self._chunks = [pl.concat(self._chunks, rechunk=len(self._chunks) > 16)] if self._chunks else []
        return self._chunks[0] if self._chunks else pl.DataFrame()

    def key(self, code: int) -> Key:
        """One key by its code."""
        found = self._told.get(code)
        if found is None:
            if len(self._told) >= _MAX_TOLD:
                self._told.clear()
            found = self._told[code] = dict(zip(self.by, self.values().row(code), strict=True))
        return found

    @staticmethod
    def _hash(columns: list[pl.Series], seed: int, hashes: Hashes | None) -> NDArray[np.uint64]:
        known = {} if hashes is None else hashes

        def of(column: pl.Series) -> NDArray[np.uint64]:
            name = (column.name, seed)
            if name not in known:
                known[name] = column.hash(seed).to_numpy()
            return known[name]

        out = of(columns[0])
        with np.errstate(over="ignore"):
            for column in columns[1:]:
                out = (out ^ (out >> np.uint64(32))) * _MIX + of(column)
        return out

    def _reserve(self, more: int) -> None:
        need = 2 * (self.size + more)
        if need <= len(self._t1):
            return
        size = 1 << (need - 1).bit_length()
        t1, t2 = np.zeros(size, np.uint64), np.zeros(size, np.uint64)
        codes = np.full(size, -1, np.int64)
        _refill(self._t1, self._t2, self._codes, t1, t2, codes)
        self._t1, self._t2, self._codes = t1, t2, codes

    def state(self) -> dict[str, Any]:
        """What a snapshot keeps: the keys themselves (hashes hold for one Polars version only)."""
        buffer = io.BytesIO()
        self.values().write_ipc(buffer)
        return {"size": self.size, "keys": buffer.getvalue(), "heard": self._heard}

    def load(self, state: dict[str, Any]) -> None:
        self._heard = state["heard"]
        if not state["size"]:
            return
        frame = pl.read_ipc(io.BytesIO(state["keys"]))
        codes = self.encode(frame.get_columns())
        assert codes[-1] == state["size"] - 1, "a snapshot's keys are distinct"


def _copied(column: pl.Series, name: str) -> pl.Series:
    """A column of its own: texts gathered from a batch would hold on to all its bytes."""
    return pl.Series(name, column.to_list(), dtype=column.dtype) if column.dtype == pl.String else column.alias(name)
