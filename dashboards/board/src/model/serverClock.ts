/** Differences below this are the network's, and are left alone. */
const JITTER_MS = 1500;
/** Two answers nearer than this say nothing of the clock's pace. */
const SPAN_MS = 2000;

/** Follows the clock of the server, whose pace is 1 but for a recorded day that is played quickly (the demo). */
export class ServerClock {
  #at_ms: number | null = null;
  #page_ms = 0;
  #speed = 1;

  get speed(): number {
    return this.#speed;
  }

  /** The server said `at_ms` when the page's own count was `page_ms`. */
  hear(at_ms: number, page_ms: number): void {
    if (!Number.isFinite(at_ms)) return;
    if (this.#at_ms === null) {
      this.#at_ms = at_ms;
      this.#page_ms = page_ms;
      return;
    }
    const off_ms = at_ms - this.now(page_ms);
    const span_ms = page_ms - this.#page_ms;
    if (this.#speed === 1 && Math.abs(off_ms) <= JITTER_MS) return;
    if (span_ms >= SPAN_MS) {
      const pace = (at_ms - this.#at_ms) / span_ms;
      if (pace <= 1.5) this.#speed = 1;
      else this.#speed = this.#speed === 1 ? pace : 0.7 * this.#speed + 0.3 * pace;
    }
    this.#at_ms = at_ms;
    this.#page_ms = page_ms;
  }

  /** Epoch milliseconds; that of this machine before the server has spoken. */
  now(page_ms: number): number {
    return this.#at_ms === null ? Date.now() : this.#at_ms + (page_ms - this.#page_ms) * this.#speed;
  }
}
