import type { EventRecord, Scalar } from "./types";

/** Fields of the envelope and of our own book-keeping: known already, or of no use beside the values. */
const ENVELOPE = new Set(["id", "feed", "source", "time", "region", "subject", "lon", "lat", "pos", "receipt", "receipt_time", "received_at", "late", "fate", "raw"]);

/** Fields of which there are many: what an officer would look at first comes first. */
const FIRST = ["value", "result", "category", "title", "rank", "heat", "score", "risk", "status", "text"];
const MOST_COLUMNS = 6;

export interface EvidenceShape {
  /** Fields that differ between events: the columns of the table. */
  readonly columns: string[];
  /** Fields that are the same in all events: said once, above it. */
  readonly constants: [name: string, value: unknown][];
}

/** What the table of some events shows: the fields that some event has and that say more than the alert's key does. */
export function evidenceShape(events: readonly EventRecord[], key: Record<string, Scalar>): EvidenceShape {
  const seen = new Map<string, { values: Set<string>; count: number; value: unknown }>();
  for (const event of events) {
    for (const [name, value] of Object.entries(event)) {
      if (ENVELOPE.has(name) || name in key || value === null || value === undefined || value === "") continue;
      let field = seen.get(name);
      if (!field) seen.set(name, (field = { values: new Set(), count: 0, value }));
      field.count += 1;
      if (field.values.size < 2) field.values.add(JSON.stringify(value));
    }
  }
  const place = (name: string): number => {
    const at = FIRST.indexOf(name);
    return at === -1 ? FIRST.length : at;
  };
  const names = [...seen.keys()].sort((a, b) => place(a) - place(b));
  const constant = (name: string): boolean => {
    const field = seen.get(name)!;
    return events.length > 1 && name !== "value" && field.values.size === 1 && field.count === events.length && String(field.value).length <= 24;
  };
  return {
    columns: names.filter((name) => !constant(name)).slice(0, MOST_COLUMNS),
    constants: names.filter(constant).map((name) => [name, seen.get(name)!.value]),
  };
}

/** The value that all events share, else null. */
export function shared(events: readonly EventRecord[], name: string): string | null {
  const values = new Set(events.map((event) => event[name]).filter((value) => value !== null && value !== undefined && value !== ""));
  return values.size === 1 ? String([...values][0]) : null;
}
