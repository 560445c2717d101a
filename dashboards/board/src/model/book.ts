import { rank } from "./severity";
import type { Alert, Transition } from "./types";

/** More alerts than this are not held: what falls out is counted, and the server is asked for it by filter. */
export const BOOK_LIMIT = 20_000;

export interface Change {
  /** Alerts that were not known before. */
  added: string[];
  /** Alerts whose newest transition changed, the added ones among them. */
  changed: string[];
  /** Transitions that were dropped because that (alert, n) or a later one was known. */
  repeated: number;
}

/** The newest transition of each alert. Applying the same transition twice, or an older one, changes nothing. */
export class AlertBook {
  readonly #alerts = new Map<string, Alert>();
  readonly #limit: number;
  #fallen = 0;

  constructor(limit = BOOK_LIMIT) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#alerts.size;
  }

  /** How many alerts fell out since the start. */
  get fallen(): number {
    return this.#fallen;
  }

  get(id: string): Alert | undefined {
    return this.#alerts.get(id);
  }

  values(): IterableIterator<Alert> {
    return this.#alerts.values();
  }

  clear(): void {
    this.#alerts.clear();
  }

  apply(transitions: readonly Transition[]): Change {
    const added: string[] = [];
    const changed = new Set<string>();
    let repeated = 0;
    for (const next of transitions) {
      const known = this.#alerts.get(next.alert);
      if (known && known.n >= next.n) {
        repeated += 1;
        continue;
      }
      if (!known) added.push(next.alert);
      this.#alerts.set(next.alert, Object.freeze(next));
      changed.add(next.alert);
    }
    if (this.#alerts.size > this.#limit) this.#shrink();
    return { added, changed: [...changed], repeated };
  }

  /** Let go of a tenth: resolved ones first, then the lowest and oldest. */
  #shrink(): void {
    const worth = (a: Alert): number => (a.state === "resolved" ? 0 : 10 + rank(a.severity));
    const ordered = [...this.#alerts.values()].sort(
      (a, b) => worth(a) - worth(b) || (a.opened_at < b.opened_at ? -1 : a.opened_at > b.opened_at ? 1 : 0),
    );
    const surplus = this.#alerts.size - Math.floor(this.#limit * 0.9);
    for (const alert of ordered.slice(0, surplus)) this.#alerts.delete(alert.alert);
    this.#fallen += surplus;
  }
}

export type Sort = "severity" | "time";

/**
 * The order of the list: red first, of one severity what goes on before what has cleared, then newest; or newest first. The id
 * settles ties, so that no two rows swap places.
 */
export function compareAlerts(sort: Sort): (a: Alert, b: Alert) => number {
  return (a, b) => {
    if (sort === "severity") {
      const byRank = rank(b.severity) - rank(a.severity);
      if (byRank !== 0) return byRank;
      if (a.condition !== b.condition) return a.condition === "active" ? -1 : 1;
    }
    if (a.opened_at !== b.opened_at) return a.opened_at < b.opened_at ? 1 : -1;
    return a.alert < b.alert ? -1 : a.alert > b.alert ? 1 : 0;
  };
}
