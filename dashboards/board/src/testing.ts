import type { Transition } from "./model/types";

/** A transition for tests: an opened environment alert, but for what is said otherwise. */
export function transition(change: Partial<Transition> = {}): Transition {
  const alert = change.alert ?? "a1";
  return {
    seq: 1,
    alert,
    n: 1,
    type: "opened",
    at: "2026-01-01T01:00:00.000Z",
    rule: "env.cod",
    version: "1",
    domain: "environment",
    severity: "yellow",
    key: { subject: "甲站" },
    region: "530102",
    subject: "甲站",
    measures: { mean: 61.2, limit: 60, n: 58 },
    evidence: { feed: "sensor", key: { subject: "甲站" }, from: "", to: "", events: [] },
    title: { zh: "化学需氧量超标", en: "COD above limit" },
    summary: { zh: "甲站 61.2 mg/L", en: "Jia 61.2 mg/L" },
    by: null,
    state: "open",
    condition: "active",
    count: 1,
    opened_at: change.at ?? "2026-01-01T01:00:00.000Z",
    closed_at: null,
    note: null,
    to: null,
    reason: null,
    act: null,
    shadow: false,
    ...change,
  };
}
