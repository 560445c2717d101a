import { describe, expect, it } from "vitest";
import { DESK_PATIENCE_MS, NOTHING_SHOWN, WALL_PATIENCE_MS, hold, isReading, settle } from "./reading";

describe("a list that somebody reads", () => {
  const before = settle(NOTHING_SHOWN, ["a", "b", "c"], { markFresh: false });

  it("keeps its rows in place and lets new ones wait", () => {
    const held = hold(before, ["x", "a", "c", "b", "y"]);
    expect(held.order).toEqual(["a", "b", "c"]);
    expect(held.waiting).toEqual(["x", "y"]);
    expect(held.leaving.size).toBe(0);
  });

  it("marks what no longer matches but does not take it away", () => {
    const held = hold(before, ["a", "c"]);
    expect(held.order).toEqual(["a", "b", "c"]);
    expect([...held.leaving]).toEqual(["b"]);
  });

  it("takes everything to its place when the reader lets go, and shows what is new once", () => {
    const after = settle(hold(before, ["x", "a", "c"]), ["x", "a", "c"], { markFresh: true });
    expect(after.order).toEqual(["x", "a", "c"]);
    expect(after.waiting).toEqual([]);
    expect([...after.fresh]).toEqual(["x"]);
  });

  it("shows nothing as new when a filter changed", () => {
    expect(settle(before, ["x", "y"], { markFresh: false }).fresh.size).toBe(0);
  });
});

describe("whether somebody reads", () => {
  const idle = { scrolled: false, hovered: false, focused: false, quiet_ms: 0 };

  it("is so with the pointer on the list, a row focused, or the list scrolled", () => {
    expect(isReading(idle, false)).toBe(false);
    expect(isReading({ ...idle, hovered: true }, false)).toBe(true);
    expect(isReading({ ...idle, focused: true }, false)).toBe(true);
    expect(isReading({ ...idle, scrolled: true }, false)).toBe(true);
  });

  it("ends when nothing has moved for a while, but not for a desk that is scrolled", () => {
    const left = { ...idle, hovered: true, quiet_ms: DESK_PATIENCE_MS };
    expect(isReading(left, false)).toBe(false);
    expect(isReading({ ...left, scrolled: true }, false)).toBe(true);
    expect(isReading({ ...idle, scrolled: true, quiet_ms: WALL_PATIENCE_MS }, true)).toBe(false);
  });
});
