import { describe, expect, it } from "vitest";
import { transition } from "../testing";
import { evidenceShape, shared } from "./evidence";
import { pairLimits, principal } from "./measures";
import { mergeHistory, trailOf } from "./trail";

describe("measures", () => {
  it("stand beside their limit, which has no place of its own then", () => {
    const readings = pairLimits({ mean: 87.3, limit: 60, n: 58 });
    expect(readings).toEqual([
      { name: "mean", value: 87.3, limit: 60 },
      { name: "n", value: 58, limit: null },
    ]);
    expect(principal(readings)?.name).toBe("mean");
  });

  it("find a limit of their own name among several", () => {
    expect(pairLimits({ so2: 3, so2_limit: 2, nox: 5, nox_limit: 4 })).toEqual([
      { name: "so2", value: 3, limit: 2 },
      { name: "nox", value: 5, limit: 4 },
    ]);
  });

  it("keep a limit that limits nothing, and stand nulls", () => {
    expect(pairLimits({ n: 3, limit: 60 })).toContainEqual({ name: "limit", value: 60, limit: null });
    expect(pairLimits({ mean: null, limit: null })).toContainEqual({ name: "mean", value: null, limit: null });
    expect(principal([])).toBeNull();
  });
});

describe("the trail", () => {
  it("takes each n once, in order, and folds runs of updates, newest first", () => {
    const history = mergeHistory(
      [transition({ n: 1 }), transition({ n: 2, type: "updated" })],
      [transition({ n: 4, type: "acked", by: "李明" }), transition({ n: 3, type: "updated" }), transition({ n: 2, type: "updated" })],
    );
    expect(history.map((t) => t.n)).toEqual([1, 2, 3, 4]);
    expect(trailOf(history).map(({ last, times }) => [last.type, times])).toEqual([
      ["acked", 1],
      ["updated", 2],
      ["opened", 1],
    ]);
  });
});

describe("the evidence table", () => {
  const events = [
    { id: "1", source: "s", time: "t1", subject: "甲", value: 61, unit: "mg/L", quality: "N", device: null },
    { id: "2", source: "s", time: "t2", subject: "甲", value: 63, unit: "mg/L", quality: "D" },
  ];

  it("has the fields that differ as columns, values first, and says the others once", () => {
    const shape = evidenceShape(events, { subject: "甲" });
    expect(shape.columns).toEqual(["value", "quality"]);
    expect(shape.constants).toEqual([["unit", "mg/L"]]);
  });

  it("shows all of a single event", () => {
    expect(evidenceShape(events.slice(0, 1), {}).columns).toEqual(["value", "unit", "quality"]);
  });

  it("names a source once where there is one", () => {
    expect(shared(events, "source")).toBe("s");
    expect(shared(events, "value")).toBeNull();
  });
});
