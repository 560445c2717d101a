import { parseInstant } from "../format/time";
import type { StreamState } from "../api/stream";
import type { Health, Problem, Summary } from "./types";

/** What the bar at the top says, worst first; null when the board shows the present. */
export type Warning =
  | { kind: "cut"; since_ms: number; attempt: number }
  | { kind: "unanswered"; since_ms: number }
  | { kind: "health"; health: Exclude<Health, "ok">; problem: Problem | null };

export interface Link {
  stream: StreamState;
  attempt: number;
  /** When the socket was last open, by the server's clock. */
  open_ms: number;
  /** When the summary last came, by the server's clock. */
  answered_ms: number;
}

/** A socket that comes back within this time was never worth a word. */
export const CUT_PATIENCE_MS = 3_000;
/** The summary is asked every 5 s; three misses are a fault. */
export const ANSWER_PATIENCE_MS = 16_000;

export function warningOf(link: Link, summary: Summary | null, now_ms: number): Warning | null {
  if (link.stream !== "open" && now_ms - link.open_ms > CUT_PATIENCE_MS) return { kind: "cut", since_ms: link.open_ms, attempt: link.attempt };
  if (now_ms - link.answered_ms > ANSWER_PATIENCE_MS) return { kind: "unanswered", since_ms: link.answered_ms };
  if (summary && summary.health !== "ok") return { kind: "health", health: summary.health, problem: summary.problems[0] ?? null };
  return null;
}

/** When the newest event of all feeds was received; NaN before the first. */
export function newestReceipt(summary: Summary | null): number {
  let newest = NaN;
  for (const feed of summary?.feeds ?? []) {
    const at_ms = parseInstant(feed.newest_receipt ?? feed.newest_time);
    if (Number.isFinite(at_ms) && !(at_ms <= newest)) newest = at_ms;
  }
  return newest;
}

/** Events a second between two summaries, by feed; null before there are two. */
export function ratesBetween(before: Summary | null, after: Summary | null): Map<string, number> | null {
  if (!before || !after) return null;
  const span_s = (parseInstant(after.at) - parseInstant(before.at)) / 1000;
  if (!(span_s > 0)) return null;
  const earlier = new Map(before.feeds.map((feed) => [feed.feed, feed.accepted]));
  return new Map(after.feeds.map((feed) => [feed.feed, Math.max(0, feed.accepted - (earlier.get(feed.feed) ?? 0)) / span_s]));
}
