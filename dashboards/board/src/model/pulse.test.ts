import { describe, expect, it } from "vitest";
import { dataAge, ratesBetween, warningOf, type Heard, type Link } from "./pulse";
import { ServerClock } from "./serverClock";
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
const moment = { page_ms: 100_000, at_ms: 7_000_000 };
const link: Link = { stream: "open", attempt: 0, open: moment, answered: moment };
const heard = (change: Partial<Summary>, page_ms = 0): Heard => ({ summary: summary(change), page_ms });

describe("the warning bar", () => {
  it("is not there while all is well", () => {
    expect(warningOf(link, summary({}), 101_000)).toBeNull();
  });

  it("says since when the socket is cut, but not for a blink", () => {
    const cut: Link = { ...link, stream: "waiting", attempt: 2 };
    expect(warningOf(cut, summary({}), 102_000)).toBeNull();
    expect(warningOf(cut, summary({}), 104_000)).toEqual({ kind: "cut", since_ms: 7_000_000, attempt: 2 });
  });

  it("says that the server does not answer", () => {
    expect(warningOf(link, summary({}), 117_000)).toEqual({ kind: "unanswered", since_ms: 7_000_000 });
  });

  it("says what stalls, with the worst problem", () => {
    const problem = { part: "engine", level: "stalled" as const, since: null, title: {}, detail: null };
    expect(warningOf(link, summary({ health: "stalled", problems: [problem] }), 101_000)).toEqual({ kind: "health", health: "stalled", problem });
  });
});

describe("the age of the data", () => {
  const feeds = [feed({ newest_receipt: "2026-01-01T00:00:05.000Z" }), feed({}), feed({ newest_receipt: "2026-01-01T00:00:08.000Z" })];

  it("is that of the newest receipt of any feed, and grows until the next answer", () => {
    expect(dataAge(heard({ feeds }, 1000), 1000, 1)).toBe(2000);
    expect(dataAge(heard({ feeds }, 1000), 4000, 1)).toBe(5000);
    expect(dataAge(heard({}), 0, 1)).toBeNaN();
    expect(dataAge(null, 0, 1)).toBeNaN();
  });

  it("is in time of the wall where a day is played quickly", () => {
    expect(dataAge(heard({ feeds }, 1000), 1500, 20)).toBe(600);
  });
});

describe("rates", () => {
  it("are differences over the time between answers, never below zero after a restart", () => {
    const before = heard({ feeds: [feed({ accepted: 100 }), feed({ feed: "news", accepted: 50 })] }, 0);
    const after = heard({ feeds: [feed({ accepted: 200 }), feed({ feed: "news", accepted: 3 })] }, 5000);
    expect(ratesBetween(before, after)).toEqual(new Map([["sensor", 20], ["news", 0]]));
    expect(ratesBetween(null, after)).toBeNull();
    expect(ratesBetween(after, after)).toBeNull();
  });
});

describe("the server's clock", () => {
  const START = 1_767_225_600_000;

  it("is followed where this machine's is off, and not shaken by the network", () => {
    const clock = new ServerClock();
    clock.hear(START, 0);
    clock.hear(START + 5400, 5000);
    expect(clock.speed).toBe(1);
    expect(clock.now(6000)).toBe(START + 6000);
  });

  it("is set anew where it was moved", () => {
    const clock = new ServerClock();
    clock.hear(START, 0);
    clock.hear(START - 60_000, 5000);
    expect(clock.speed).toBe(1);
    expect(clock.now(6000)).toBe(START - 59_000);
  });

  it("runs as fast as a day that is played, and no longer when that has caught up", () => {
    const clock = new ServerClock();
    clock.hear(START, 0);
    clock.hear(START + 300_000, 5000);
    expect(clock.speed).toBe(60);
    expect(clock.now(6000)).toBe(START + 360_000);
    clock.hear(START + 305_000, 10_000);
    expect(clock.speed).toBe(1);
    expect(clock.now(11_000)).toBe(START + 306_000);
  });
});
