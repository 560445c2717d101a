/**
 * Gathers what comes in bursts into few turns: the first at once, the others together after a pause that grows with what a
 * turn costs, so that a flood of transitions can not keep the page from answering its reader.
 */
export interface Gatherer<T> {
  add(items: readonly T[]): void;
  clear(): void;
}

export interface GatherOptions {
  /** Least pause between two turns. */
  pause_ms: number;
  /** A turn may take at most this share of the time. */
  share: number;
  now?: () => number;
}

export function gather<T>(take: (items: T[]) => void | Promise<void>, options: GatherOptions): Gatherer<T> {
  const clock = options.now ?? (() => performance.now());
  let waiting: T[] = [];
  let timer: ReturnType<typeof setTimeout> | null = null;
  let next_ms = -Infinity;
  let busy = false;

  async function turn(): Promise<void> {
    timer = null;
    const items = waiting;
    waiting = [];
    const began_ms = clock();
    busy = true;
    try {
      await take(items);
    } finally {
      busy = false;
      const ended_ms = clock();
      next_ms = ended_ms + Math.max(options.pause_ms, (ended_ms - began_ms) * (1 / options.share - 1));
      if (waiting.length > 0) schedule();
    }
  }

  function schedule(): void {
    if (timer !== null || busy) return;
    const delay_ms = next_ms - clock();
    if (delay_ms <= 0) void turn();
    else timer = setTimeout(() => void turn(), delay_ms);
  }

  return {
    add(items) {
      for (const item of items) waiting.push(item);
      if (waiting.length > 0) schedule();
    },
    clear() {
      waiting = [];
      if (timer !== null) clearTimeout(timer);
      timer = null;
    },
  };
}
