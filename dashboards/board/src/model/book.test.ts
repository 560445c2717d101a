import { describe, expect, it } from "vitest";
import { transition } from "../testing";
import { AlertBook, compareAlerts } from "./book";

describe("the book of alerts", () => {
  it("keeps the newest transition of each alert", () => {
    const book = new AlertBook();
    book.apply([transition({ n: 1 }), transition({ n: 2, type: "acked", state: "acked" })]);
    expect(book.size).toBe(1);
    expect(book.get("a1")?.state).toBe("acked");
  });

  it("drops an (alert, n) it has seen, and older ones that come late", () => {
    const book = new AlertBook();
    const first = transition({ n: 1, seq: 1 });
    const second = transition({ n: 2, seq: 2, state: "acked" });
    expect(book.apply([first, second])).toMatchObject({ added: ["a1"], repeated: 0 });
    // The same again under another seq, as after a crash of the server.
    expect(book.apply([{ ...second, seq: 7, state: "open" }, { ...first, seq: 8 }])).toEqual({ added: [], changed: [], repeated: 2 });
    expect(book.get("a1")?.state).toBe("acked");
  });

  it("gives the same state however the stream is cut into frames, with any overlap", () => {
    const stream = Array.from({ length: 60 }, (_, i) =>
      transition({ alert: `a${i % 7}`, n: Math.floor(i / 7) + 1, seq: i + 1, count: i }),
    );
    const whole = new AlertBook();
    whole.apply(stream);
    for (const size of [1, 3, 13]) {
      const cut = new AlertBook();
      for (let i = 0; i < stream.length; i += size) cut.apply(stream.slice(Math.max(0, i - 5), i + size));
      expect([...cut.values()].sort(compareAlerts("time"))).toEqual([...whole.values()].sort(compareAlerts("time")));
    }
  });

  it("lets go of resolved and low alerts first when it is full, and counts them", () => {
    const book = new AlertBook(10);
    for (let i = 0; i < 6; i++) book.apply([transition({ alert: `done${i}`, state: "resolved", severity: "red" })]);
    for (let i = 0; i < 5; i++) book.apply([transition({ alert: `red${i}`, severity: "red" })]);
    expect(book.size).toBe(9);
    expect(book.fallen).toBe(2);
    for (let i = 0; i < 5; i++) expect(book.get(`red${i}`)).toBeDefined();
  });
});

describe("the order of the list", () => {
  const old = transition({ alert: "old", severity: "red", at: "2026-01-01T00:00:00.000Z" });
  const mid = transition({ alert: "mid", severity: "blue", at: "2026-01-01T02:00:00.000Z" });
  const late = transition({ alert: "late", severity: "red", at: "2026-01-01T03:00:00.000Z" });

  it("is red first, of one severity the ongoing before the cleared, then newest", () => {
    expect([mid, old, late].sort(compareAlerts("severity")).map((a) => a.alert)).toEqual(["late", "old", "mid"]);
    const over = { ...late, condition: "cleared" as const };
    expect([mid, over, old].sort(compareAlerts("severity")).map((a) => a.alert)).toEqual(["old", "late", "mid"]);
  });

  it("is newest first when asked", () => {
    expect([mid, old, late].sort(compareAlerts("time")).map((a) => a.alert)).toEqual(["late", "mid", "old"]);
  });

  it("settles ties by id, so that two rows never swap", () => {
    const b = transition({ alert: "b" });
    const a = transition({ alert: "a" });
    expect([b, a].sort(compareAlerts("severity"))).toEqual([a, b].sort(compareAlerts("severity")));
  });
});
