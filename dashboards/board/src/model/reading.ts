/**
 * What stands on the list, as against what would stand there now.
 *
 * While somebody reads, the rows keep their places: new alerts gather behind a pill, changed ones change in place, and those
 * that the filter no longer takes stay until the reader lets go.
 */
export interface Shown {
  readonly order: readonly string[];
  /** Alerts that would be on the list and are not. */
  readonly waiting: readonly string[];
  /** Rows that are on the list and would not be. */
  readonly leaving: ReadonlySet<string>;
  /** Rows that came with the last settling, for one fade-in. */
  readonly fresh: ReadonlySet<string>;
}

const NONE: ReadonlySet<string> = new Set();

export const NOTHING_SHOWN: Shown = { order: [], waiting: [], leaving: NONE, fresh: NONE };

/** Show exactly these. */
export function settle(shown: Shown, ids: readonly string[], options: { markFresh: boolean }): Shown {
  let fresh: ReadonlySet<string> = NONE;
  if (options.markFresh) {
    const before = new Set(shown.order);
    const came = ids.filter((id) => !before.has(id));
    if (came.length > 0) fresh = new Set(came);
  }
  return { order: ids, waiting: [], leaving: NONE, fresh };
}

/** Keep the rows where they are, and remember what waits and what would leave. */
export function hold(shown: Shown, ids: readonly string[]): Shown {
  const here = new Set(shown.order);
  const wanted = new Set(ids);
  const waiting = ids.filter((id) => !here.has(id));
  const leaving = new Set(shown.order.filter((id) => !wanted.has(id)));
  return { order: shown.order, waiting, leaving, fresh: shown.fresh };
}

export interface Attention {
  /** The list is scrolled away from its top. */
  scrolled: boolean;
  /** The pointer is over a row. */
  hovered: boolean;
  /** A row has the keyboard. */
  focused: boolean;
  /** Milliseconds since the last pointer, key or scroll. */
  quiet_ms: number;
}

/** A pointer left lying on the list must not hold a wall back for ever. */
export const DESK_PATIENCE_MS = 60_000;
export const WALL_PATIENCE_MS = 15_000;

export function isReading(attention: Attention, wall: boolean): boolean {
  const patience_ms = wall ? WALL_PATIENCE_MS : DESK_PATIENCE_MS;
  if (attention.scrolled) return !wall || attention.quiet_ms < patience_ms;
  return (attention.hovered || attention.focused) && attention.quiet_ms < patience_ms;
}
