import type { StreamState } from "../api/stream";
import { parseInstant } from "../format/time";
import type { FeedPulse, Health, Problem, Summary } from "./types";

/** A moment on both clocks: the page's own count for patience, the server's time to be shown. */
export interface Moment {
  page_ms: number;
  at_ms: number;
}

/** What the bar at the top says, worst first; null when the board shows the present. */
export type Warning =
  | { kind: "cut"; since_ms: number; attempt: number }
  | { kind: "unanswered"; since_ms: number }
  | { kind: "health"; health: Exclude<Health, "ok">; problem: Problem | null };

export interface Link {
  stream: StreamState;
  attempt: number;
  /** When the socket was last open. */
  open: Moment;
  /** When the summary last came. */
  answered: Moment;
}

/** A socket that comes back within this time was never worth a word. */
export const CUT_PATIENCE_MS = 3_000;
/** The summary is asked every 5 s; three misses are a fault. */
export const ANSWER_PATIENCE_MS = 16_000;

export function warningOf(link: Link, summary: Summary | null, page_ms: number): Warning | null {
  if (link.stream !== "open" && page_ms - link.open.page_ms > CUT_PATIENCE_MS) {
    return { kind: "cut", since_ms: link.open.at_ms, attempt: link.attempt };
  }
  if (page_ms - link.answered.page_ms > ANSWER_PATIENCE_MS) return { kind: "unanswered", since_ms: link.answered.at_ms };
  if (summary && summary.health !== "ok") return { kind: "health", health: summary.health, problem: summary.problems[0] ?? null };
  return null;
}

/** A summary, and the page's count when it came. */
export interface Heard {
  readonly summary: Summary;
  readonly page_ms: number;
}

/** How long ago a feed's newest event was received, in milliseconds of the wall; NaN where none was. */
export function feedAge(feed: FeedPulse, heard: Heard, page_ms: number, speed: number): number {
  const at_ms = parseInstant(feed.newest_receipt ?? feed.newest_time);
  return Math.max(0, (parseInstant(heard.summary.at) - at_ms) / speed) + Math.max(0, page_ms - heard.page_ms);
}

/** The age of the newest event of all feeds; NaN before the first. */
export function dataAge(heard: Heard | null, page_ms: number, speed: number): number {
  const ages = (heard?.summary.feeds ?? []).map((feed) => feedAge(feed, heard!, page_ms, speed)).filter(Number.isFinite);
  return ages.length > 0 ? Math.min(...ages) : NaN;
}

/** Events a second between two summaries, by feed; null before there are two. */
export function ratesBetween(before: Heard | null, after: Heard | null): Map<string, number> | null {
  if (!before || !after) return null;
  const span_s = (after.page_ms - before.page_ms) / 1000;
  if (!(span_s > 0)) return null;
  const earlier = new Map(before.summary.feeds.map((feed) => [feed.feed, feed.accepted]));
  return new Map(after.summary.feeds.map((feed) => [feed.feed, Math.max(0, feed.accepted - (earlier.get(feed.feed) ?? 0)) / span_s]));
}
