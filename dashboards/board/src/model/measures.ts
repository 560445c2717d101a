import type { Scalar } from "./types";

/** A measure beside the limit that it is held against. */
export interface Reading {
  readonly name: string;
  readonly value: Scalar;
  readonly limit: number | null;
}

const LIMIT = /^(limit|threshold|max_allowed|permit)$|_limit$|^limit_/;

/** Names that say how many or when rather than how much: not held against a limit. */
const COUNTING = /^(n|count|events|points|samples|reports)$|^n_|_n$|_count$|^lasted|_at$|_time$/;

export function isLimit(name: string): boolean {
  return LIMIT.test(name);
}

/** Measures in their own order, the limits put beside what they limit. */
export function pairLimits(measures: Record<string, Scalar>): Reading[] {
  const names = Object.keys(measures);
  const limits = names.filter((name) => isLimit(name) && typeof measures[name] === "number");
  const common = limits.find((name) => name === "limit") ?? (limits.length === 1 ? limits[0] : undefined);
  const readings = names
    .filter((name) => !limits.includes(name))
    .map((name): Reading => {
      const own = limits.find((limit) => limit === `${name}_limit` || limit === `limit_${name}`);
      const numeric = typeof measures[name] === "number" && !COUNTING.test(name);
      const found = own ?? (numeric ? common : undefined);
      return { name, value: measures[name] ?? null, limit: found ? (measures[found] as number) : null };
    });
  const used = new Set(readings.filter((r) => r.limit !== null).map((r) => r.limit));
  for (const limit of limits) {
    if (!used.has(measures[limit] as number)) readings.push({ name: limit, value: measures[limit] ?? null, limit: null });
  }
  return readings;
}

/** The one measure that the alert is about: the first that has a limit, else the first number. */
export function principal(readings: readonly Reading[]): Reading | null {
  return readings.find((r) => r.limit !== null) ?? readings.find((r) => typeof r.value === "number") ?? readings[0] ?? null;
}
