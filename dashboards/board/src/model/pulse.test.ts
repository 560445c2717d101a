import { describe, expect, it } from "vitest";
import { newestReceipt, ratesBetween, warningOf, type Link } from "./pulse";
import type { FeedPulse, Summary } from "./types";

const feed = (change: Partial<FeedPulse>): FeedPulse => ({
  feed: "sensor",
  title: {},
  domain: "environment",
  accepted: 0,
  newest_time: null,
  newest_receipt: null,
  watermark: null,
  ...change,
});
const summary = (change: Partial<Summary>): Summary => ({ at: "2026-01-01T00:00:10.000Z", health: "ok", problems: [], feeds: [], ...change }) as Summary;
const link: Link = { stream: "open", attempt: 0, open_ms: 100_000, answered_ms: 100_000 };

describe("the warning bar", () => {
  it("is not there while all is well", () => {
    expect(warningOf(link, summary({}), 101_000)).toBeNull();
  });

  it("says since when the socket is cut, but not for a blink", () => {
    const cut: Link = { ...link, stream: "waiting", attempt: 2 };
    expect(warningOf(cut, summary({}), 102_000)).toBeNull();
    expect(warningOf(cut, summary({}), 104_000)).toEqual({ kind: "cut", since_ms: 100_000, attempt: 2 });
  });

  it("says that the server does not answer", () => {
    expect(warningOf(link, summary({}), 117_000)).toEqual({ kind: "unanswered", since_ms: 100_000 });
  });

  it("says what stalls, with the worst problem", () => {
    const problem = { part: "engine", level: "stalled" as const, since: null, title: {}, detail: null };
    expect(warningOf(link, summary({ health: "stalled", problems: [problem] }), 101_000)).toEqual({ kind: "health", health: "stalled", problem });
  });
});

describe("the age of the data", () => {
  it("is that of the newest receipt of any feed", () => {
    const feeds = [feed({ newest_receipt: "2026-01-01T00:00:05.000Z" }), feed({}), feed({ newest_receipt: "2026-01-01T00:00:08.000Z" })];
    expect(newestReceipt(summary({ feeds }))).toBe(Date.parse("2026-01-01T00:00:08.000Z"));
    expect(newestReceipt(summary({}))).toBeNaN();
    expect(newestReceipt(null)).toBeNaN();
  });
});

describe("rates", () => {
  it("are differences over the server's time, never below zero after a restart", () => {
    const before = summary({ at: "2026-01-01T00:00:00.000Z", feeds: [feed({ accepted: 100 }), feed({ feed: "news", accepted: 50 })] });
    const after = summary({ at: "2026-01-01T00:00:05.000Z", feeds: [feed({ accepted: 200 }), feed({ feed: "news", accepted: 3 })] });
    expect(ratesBetween(before, after)).toEqual(new Map([["sensor", 20], ["news", 0]]));
    expect(ratesBetween(null, after)).toBeNull();
    expect(ratesBetween(after, after)).toBeNull();
  });
});
