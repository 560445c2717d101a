import type { Transition } from "./types";

/** One line of an alert's trail; a run of plain updates is one line. */
export interface TrailEntry {
  readonly last: Transition;
  readonly first: Transition;
  /** Updates gathered into this line; 1 for all else. */
  readonly times: number;
}

/** Put transitions into a history by n, each once. */
export function mergeHistory(history: readonly Transition[], more: readonly Transition[]): Transition[] {
  const byN = new Map(history.map((t) => [t.n, t]));
  for (const t of more) byN.set(t.n, t);
  return [...byN.values()].sort((a, b) => a.n - b.n);
}

/** Newest first, with runs of updates folded. */
export function trailOf(history: readonly Transition[]): TrailEntry[] {
  const entries: TrailEntry[] = [];
  for (const t of history) {
    const before = entries.at(-1);
    if (t.type === "updated" && before?.last.type === "updated") {
      entries[entries.length - 1] = { first: before.first, last: t, times: before.times + 1 };
    } else entries.push({ first: t, last: t, times: 1 });
  }
  return entries.reverse();
}
