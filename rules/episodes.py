"""Episodes: from evaluations that hold or not to alerts that open, update, escalate and close.

One compiled loop runs over a rule's evaluations in order. Keys without an open alert and with a false evaluation, which are
nearly all, cost one look at ``slots``; the others have a slot with the state of their episode. What the loop gives back are
the few rows at which something happened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rules.arrays import NEVER, Bools, Ints, Renumbering, grown
from rules.jit import njit

OPEN, UPDATE, ESCALATE, CLOSE = 0, 1, 2, 3
_NEVER = np.int64(NEVER)
_STALE_MS = 86_400_000
#: Openings of a key that a late event can be one of; whether it is an older one, the book of alerts knows.
_REMEMBERED = 8
_UNASKED, _FREE, _TAKEN = 0, 1, 2

#: Whether the key of this code had an opening at this instant.
Taken = Callable[[int, int], bool]


@njit
def _emit(
    row: Any, kind: int, evaluation: int, slot: int, at: int, rank: int, count: int, opened: int, last_row: int
) -> None:
    row[0] = kind
    row[1] = evaluation
    row[2] = slot
    row[3] = at
    row[4] = rank
    row[5] = count
    row[6] = opened
    row[7] = last_row


@njit
def _run(
    code: Any,
    at: Any,
    verdict: Any,
    clear: Any,
    late: Any,
    before: Any,
    record: Any,
    has_clear: bool,  # noqa: FBT001 - compiled code takes no keywords
    in_arrival_order: bool,  # noqa: FBT001 - likewise
    hold: int,
    update_every: int,
    clear_after: int,
    lost: int,
    start: int,
    answer: int,
    slots: Any,
    rank: Any,
    last_true: Any,
    last_emit: Any,
    run_start: Any,
    opened: Any,
    ring: Any,
    count: Any,
    owner: Any,
    last_row: Any,
    free: Any,
    heap: Any,
    out: Any,
) -> tuple[int, int]:
    """``heap``: [free slots on the stack ``free``, slots ever used]. ``out``: rows as :class:`Change` reads them.

    -> how many changes there are, and the row to go on from: where it is to be asked first whether its opening is ``_FREE`` or
    ``_TAKEN``, for what opened up to ``lost`` may be forgotten here. ``answer``: of row ``start``.
    """
    emitted = 0
    for i in range(start, len(code)):
        k = code[i]
        t = at[i]
        v = verdict[i]
        stale = in_arrival_order and late[i]
        wipes = has_clear and clear[i]
        if wipes:
            v = 0
        s = slots[k]
        if s >= 0 and rank[s] > 0 and clear_after >= 0:
            due = last_true[s] + clear_after
            # what came with the same record as the last true evaluation came before any time passed
            together = len(record) > 0 and last_row[s] >= 0 and record[last_row[s]] == record[i]
            if (t > due and not stale) or (in_arrival_order and before[i] > due and not together):
                _emit(out[emitted], CLOSE, -1 - i, s, due, rank[s], count[s], opened[s], last_row[s])
                emitted += 1
                rank[s] = 0
                run_start[s] = _NEVER
        if stale and (v == 0 or hold > 0 or (s >= 0 and (rank[s] > 0 or np.any(ring[s] == t)))):
            continue
        taken = False
        if in_arrival_order and v > 0 and (s < 0 or rank[s] == 0):
            if t <= lost or (s >= 0 and t < opened[s] and ring[s, -1] != _NEVER):
                if i > start or answer == _UNASKED:
                    return emitted, i
                taken = answer == _TAKEN
            if taken and stale:
                continue
        if s < 0:
            if v == 0:
                continue
            if heap[0] > 0:
                heap[0] -= 1
                s = free[heap[0]]
            else:
                s = heap[1]
                heap[1] += 1
            slots[k] = s
            owner[s] = k
            rank[s] = 0
            run_start[s] = _NEVER
            opened[s] = _NEVER
            ring[s] = _NEVER
            count[s] = 0
        if v > 0:
            if rank[s] > 0:
                count[s] += 1
                last_true[s] = t
                last_row[s] = i
                if v > rank[s]:
                    rank[s] = v
                    last_emit[s] = t
                    _emit(out[emitted], ESCALATE, i, s, t, v, count[s], opened[s], last_row[s])
                    emitted += 1
                elif t - last_emit[s] >= update_every:
                    last_emit[s] = t
                    _emit(out[emitted], UPDATE, i, s, t, rank[s], count[s], opened[s], last_row[s])
                    emitted += 1
            else:
                if run_start[s] == _NEVER:
                    run_start[s] = t
                # openings of one key in one millisecond are one
                if (hold == 0 or t - run_start[s] >= hold) and opened[s] != t and not taken:
                    rank[s] = v
                    # of late events any may be one that opened before
                    opened[s] = max(opened[s], t)
                    if in_arrival_order:
                        ring[s, 1:] = ring[s, :-1].copy()
                        ring[s, 0] = t
                    last_true[s] = t
                    last_row[s] = i
                    last_emit[s] = t
                    count[s] = 1
                    _emit(out[emitted], OPEN, i, s, t, v, 1, t, i)
                    emitted += 1
        elif rank[s] > 0:
            if wipes or not has_clear:
                _emit(out[emitted], CLOSE, i, s, t, rank[s], count[s], opened[s], last_row[s])
                emitted += 1
                rank[s] = 0
                run_start[s] = _NEVER
        else:
            run_start[s] = _NEVER
    return emitted, len(code)


class Change(NamedTuple):
    """Something happened to the episode in ``slot``. ``row``: the evaluation at fault; None where only time passed.

    ``no_later_than`` is the row whose evaluation found the time passed, None where the watermark did. ``no_earlier_than`` is the
    row of the last true evaluation where it is of this stretch.
    """

    kind: int
    row: int | None
    no_later_than: int | None
    no_earlier_than: int | None
    slot: int
    code: int
    at: int
    rank: int
    #: true evaluations so far
    trues: int
    opened: int


@dataclass(frozen=True)
class Evaluations:
    """A rule's evaluations in order. ``verdict``: 0 false, else the rank of the severity. Arrays of one length.

    ``before``: where evaluations come in arrival order, the watermark as each one came: what was due to close by then had closed.
    ``late``: likewise, which of them are older than one of their key before. ``record``: the log record that brought each, where one
    may bring several.
    """

    code: Ints
    at: Ints
    verdict: NDArray[np.int8]
    clear: Bools | None = None
    before: Ints | None = None
    late: Bools | None = None
    record: Ints | None = None

    def __len__(self) -> int:
        return len(self.code)


class Episodes:
    """The open and pending episodes of one rule."""

    def __init__(
        self, *, hold_ms: int, update_every_ms: int, clear_after_ms: int | None, in_arrival_order: bool
    ) -> None:
        self._hold = hold_ms
        self._update_every = update_every_ms
        self._clear_after = -1 if clear_after_ms is None else clear_after_ms
        self._in_arrival_order = in_arrival_order
        #: nothing is due to close by time before this instant (a lower bound, so that idle rules cost nothing)
        self._next_due = -NEVER
        #: the newest opening that may be forgotten here
        self._lost = NEVER
        self._slots: Ints = np.full(64, -1, np.int32)
        self._rank: NDArray[np.int8] = np.zeros(64, np.int8)
        self._times: dict[str, Ints] = {
            name: np.full(64, NEVER, np.int64)
            for name in ("last_true", "last_emit", "run_start", "opened", "count", "owner", "last_row")
        }
        #: the last openings of each slot, where events of any age may come
        self._ring: Ints = np.full((64, _REMEMBERED if in_arrival_order else 0), NEVER, np.int64)
        self._free: Ints = np.zeros(64, np.int64)
        self._heap: Ints = np.zeros(2, np.int64)

    @property
    def idle(self) -> bool:
        """Nothing is open or pending: false evaluations change nothing."""
        return bool(self._heap[1] == self._heap[0])

    def run(self, evaluations: Evaluations, *, keys: int, taken: Taken | None = None) -> list[Change]:
        """Take the next evaluations; ``keys`` is how many codes there are by now. ``taken``: of those that come in arrival order,
        for openings that are forgotten here.
        """
        n = len(evaluations)
        if n == 0:
            return []
        true = int(np.count_nonzero(evaluations.verdict))
        if true == 0 and self.idle:
            return []
        self._slots = grown(self._slots, keys, -1)
        self._make_room(int(self._heap[1]) + true)
        times = self._times
        out = np.empty((2 * n, 8), np.int64)
        clear = evaluations.clear
        code = np.ascontiguousarray(evaluations.code)  # else the loop is compiled once more, while a live engine waits
        emitted, row, answer = 0, 0, _UNASKED
        while row < n:
            made, row = _run(
                code,
                evaluations.at,
                evaluations.verdict,
                np.zeros(0, np.bool_) if clear is None else clear,
                np.zeros(0, np.bool_) if evaluations.late is None else evaluations.late,
                np.zeros(0, np.int64) if evaluations.before is None else evaluations.before,
                np.zeros(0, np.int64) if evaluations.record is None else evaluations.record,
                clear is not None,
                self._in_arrival_order,
                self._hold,
                self._update_every,
                self._clear_after,
                self._lost,
                row,
                answer,
                self._slots,
                self._rank,
                times["last_true"],
                times["last_emit"],
                times["run_start"],
                times["opened"],
                self._ring,
                times["count"],
                times["owner"],
                times["last_row"],
                self._free,
                self._heap,
                out[emitted:],
            )
            emitted += made
            if row < n:
                assert taken is not None, "only evaluations in arrival order are asked about"
                key, at = int(code[row]), int(evaluations.at[row])
                answer = _TAKEN if self._opens(out[:emitted], key, at) or taken(key, at) else _FREE
        if true and self._clear_after >= 0:
            self._next_due = min(self._next_due, int(evaluations.at.min()) + self._clear_after)
        owner = times["owner"]
        return [
            Change(
                kind,
                row if row >= 0 else None,
                None if row >= 0 else -1 - row,
                last_row if last_row >= 0 else None,
                slot,
                int(owner[slot]),
                at,
                rank,
                count,
                opened,
            )
            for kind, row, slot, at, rank, count, opened, last_row in out[:emitted].tolist()
        ]

    def _opens(self, made: Ints, code: int, at: int) -> bool:
        """Whether the key opens then by changes that nobody has seen yet."""
        return bool(np.any((made[:, 0] == OPEN) & (made[:, 2] == self._slots[code]) & (made[:, 3] == at)))

    def expire(self, before: int) -> list[Change]:
        """Close what had no true evaluation for ``clear_after``: due at an instant < ``before``. Frees what is over."""
        changes: list[Change] = []
        used = int(self._heap[1])
        if used == int(self._heap[0]):
            return changes
        rank, times = self._rank[:used], {name: array[:used] for name, array in self._times.items()}
        if self._clear_after >= 0 and before > self._next_due:
            due = times["last_true"] + self._clear_after
            for slot in np.flatnonzero((rank > 0) & (due < before)).tolist():
                changes.append(
                    Change(
                        CLOSE,
                        None,
                        None,
                        int(times["last_row"][slot]) if times["last_row"][slot] >= 0 else None,
                        slot,
                        int(times["owner"][slot]),
                        int(due[slot]),
                        int(rank[slot]),
                        int(times["count"][slot]),
                        int(times["opened"][slot]),
                    )
                )
                rank[slot] = 0
                times["run_start"][slot] = NEVER
            live = due[rank > 0]
            self._next_due = int(live.min()) if len(live) else -NEVER
        times["last_row"][:] = NEVER  # rows are those of one stretch
        # in arrival order an event of any age may come, and must still meet the instant of the last opening
        settled = before - _STALE_MS if self._in_arrival_order else before
        over = (rank == 0) & (times["run_start"] == NEVER) & (times["opened"] < settled) & (times["owner"] != NEVER)
        for slot in np.flatnonzero(over).tolist():
            self._release(slot)
        return changes

    def lose(self, up_to: int) -> None:
        """Openings up to then may be forgotten here."""
        self._lost = max(self._lost, up_to)

    def remember(self, code: int, opened_ms: int, *, keys: int) -> None:
        """The key had an alert that opened then, before the rule was what it is now: it does not open twice at one instant."""
        self._slots = grown(self._slots, keys, -1)
        slot = int(self._slots[code])
        if slot < 0:
            self._make_room(int(self._heap[1]) + 1)
            if self._heap[0]:
                self._heap[0] -= 1
                slot = int(self._free[self._heap[0]])
            else:
                slot = int(self._heap[1])
                self._heap[1] += 1
            self._slots[code] = slot
            self._rank[slot] = 0
            self._times["owner"][slot] = code
            self._times["run_start"][slot] = self._times["opened"][slot] = NEVER
            self._ring[slot] = NEVER
            self._times["count"][slot] = 0
        self._times["opened"][slot] = max(self._times["opened"][slot], opened_ms)
        if self._in_arrival_order:
            self._ring[slot] = [opened_ms, *self._ring[slot, :-1]]

    def end(self, code: int) -> None:
        """A person resolved the key's alert: the next true evaluation opens a new one."""
        slot = int(self._slots[code]) if code < len(self._slots) else -1
        if slot >= 0:
            self._rank[slot] = 0
            self._times["run_start"][slot] = NEVER

    def trues(self, code: int) -> int:
        """True evaluations of the key's open episode so far."""
        slot = int(self._slots[code])
        assert slot >= 0, "the key has an open episode"
        return int(self._times["count"][slot])

    def busy(self) -> Ints:
        """Codes of keys whose episode is open or about to open."""
        used = int(self._heap[1])
        times = self._times
        live = (self._rank[:used] > 0) | (times["run_start"][:used] != NEVER)
        busy: Ints = times["owner"][:used][live & (times["owner"][:used] != NEVER)]
        return busy

    def renumber(self, renumbering: Renumbering) -> None:
        """Keys that are not busy may be gone, and the others have new codes."""
        owner = self._times["owner"]
        for slot in np.flatnonzero(owner[: int(self._heap[1])] != NEVER).tolist():
            if not renumbering.keep[owner[slot]]:
                self._release(slot)
            else:
                owner[slot] = renumbering.new[owner[slot]]
        self._slots = renumbering.of(self._slots)

    def _release(self, slot: int) -> None:
        self.lose(int(self._times["opened"][slot]))
        self._slots[self._times["owner"][slot]] = -1
        self._times["owner"][slot] = NEVER
        self._free[self._heap[0]] = slot
        self._heap[0] += 1

    def _make_room(self, slots: int) -> None:
        self._rank = grown(self._rank, slots, 0)
        self._free = grown(self._free, slots, 0)
        self._times = {name: grown(array, slots, NEVER) for name, array in self._times.items()}
        self._ring = grown(self._ring, slots, NEVER)

    def state(self) -> dict[str, Any]:
        return {
            "next_due": self._next_due,
            "lost": self._lost,
            "slots": self._slots,
            "rank": self._rank,
            "free": self._free,
            "heap": self._heap,
            "ring": self._ring,
            **self._times,
        }

    def load(self, state: dict[str, Any]) -> None:
        self._next_due = state["next_due"]
        self._lost = state["lost"]
        self._slots = state["slots"]
        self._rank, self._free, self._heap = state["rank"], state["free"], state["heap"]
        self._times = {name: state[name] for name in self._times}
        self._ring = state["ring"]
