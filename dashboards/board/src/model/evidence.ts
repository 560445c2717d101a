import type { EventRecord, Scalar } from "./types";

/** Fields of the envelope and of our own book-keeping: known already, or of no use beside the values. */
const ENVELOPE = new Set(["id", "feed", "source", "time", "region", "subject", "lon", "lat", "pos", "receipt", "receipt_time", "received_at", "late", "fate", "raw"]);

/** Fields of which there are many: what an officer would look at first comes first. */
const FIRST = ["value", "limit", "unit", "result", "category", "title", "rank", "heat", "score", "risk", "status", "text"];
const MOST_COLUMNS = 6;

/**
 * The columns of the evidence table: fields that some event has and that say more than the alert's key does. A field that is
 * the same in all events still counts, but yields to those that differ.
 */
export function evidenceColumns(events: readonly EventRecord[], key: Record<string, Scalar>): string[] {
  const seen = new Map<string, Set<string>>();
  for (const event of events) {
    for (const [name, value] of Object.entries(event)) {
      if (ENVELOPE.has(name) || name in key || value === null || value === undefined || value === "") continue;
      let values = seen.get(name);
      if (!values) seen.set(name, (values = new Set()));
      if (values.size < 2) values.add(JSON.stringify(value));
    }
  }
  const place = (name: string): number => {
    const at = FIRST.indexOf(name);
    return at === -1 ? FIRST.length : at;
  };
  const differs = (name: string): number => ((seen.get(name)?.size ?? 0) > 1 || FIRST.includes(name) ? 0 : 1);
  return [...seen.keys()].sort((a, b) => differs(a) - differs(b) || place(a) - place(b)).slice(0, MOST_COLUMNS);
}

/** The source and the unit once above the table where all events share them. */
export function shared(events: readonly EventRecord[], name: string): string | null {
  const values = new Set(events.map((event) => event[name]).filter((value) => value !== null && value !== undefined && value !== ""));
  return values.size === 1 ? String([...values][0]) : null;
}
