import { compareAlerts, type Sort } from "./book";
import { regionName } from "./regions";
import { SEVERITIES } from "./severity";
import type { Alert, Condition, Severity, State } from "./types";

export const STATES: readonly State[] = ["open", "acked", "assigned", "resolved"];
/** What the list shows unless it is told otherwise: all that still wants somebody. */
export const UNRESOLVED: readonly State[] = ["open", "acked", "assigned"];

/** What to show. Empty means all, but for `states`, which is spelled out. */
export interface Filters {
  readonly severities: readonly Severity[];
  readonly states: readonly State[];
  readonly domain: string;
  readonly region: string;
  readonly condition: Condition | "";
  readonly rule: string;
  readonly subject: string;
  readonly text: string;
  readonly sort: Sort;
}

export const DEFAULT_FILTERS: Filters = {
  severities: [],
  states: UNRESOLVED,
  domain: "",
  region: "",
  condition: "",
  rule: "",
  subject: "",
  text: "",
  sort: "severity",
};

function words<T extends string>(value: string | null, known: readonly T[]): T[] {
  if (!value) return [];
  const asked = new Set(value.split(","));
  return known.filter((word) => asked.has(word));
}

/** Read the filters of an address; what is not understood is left out. */
export function parseFilters(query: URLSearchParams): Filters {
  const state = query.get("state");
  const states = state === "all" ? STATES : words(state, STATES);
  const condition = query.get("condition");
  return {
    severities: words(query.get("severity"), SEVERITIES),
    states: states.length > 0 ? states : UNRESOLVED,
    domain: query.get("domain") ?? "",
    region: (query.get("region") ?? "").trim(),
    condition: condition === "active" || condition === "cleared" ? condition : "",
    rule: query.get("rule") ?? "",
    subject: query.get("subject") ?? "",
    text: query.get("q") ?? "",
    sort: query.get("sort") === "time" ? "time" : "severity",
  };
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}

/** Write the filters into an address, keeping what else is there; defaults are left out so that links stay short. */
export function writeFilters(filters: Filters, query: URLSearchParams): URLSearchParams {
  const out = new URLSearchParams(query);
  const put = (name: string, value: string): void => {
    if (value) out.set(name, value);
    else out.delete(name);
  };
  put("severity", SEVERITIES.filter((s) => filters.severities.includes(s)).join(","));
  const states = STATES.filter((s) => filters.states.includes(s));
  put("state", same(states, UNRESOLVED) ? "" : same(states, STATES) ? "all" : states.join(","));
  put("domain", filters.domain);
  put("region", filters.region);
  put("condition", filters.condition);
  put("rule", filters.rule);
  put("subject", filters.subject);
  put("q", filters.text);
  put("sort", filters.sort === "time" ? "time" : "");
  return out;
}

export function isDefault(filters: Filters): boolean {
  return writeFilters({ ...filters, sort: "severity" }, new URLSearchParams()).size === 0;
}

/** The filters as the server takes them, for what can be asked there. */
export function serverQuery(filters: Filters): Record<string, string> {
  const out: Record<string, string> = {};
  if (filters.severities.length > 0) out.severity = filters.severities.join(",");
  if (filters.domain) out.domain = filters.domain;
  if (filters.region) out.region = filters.region;
  if (filters.rule) out.rule = filters.rule;
  if (filters.subject) out.subject = filters.subject;
  return out;
}

const haystacks = new WeakMap<Alert, string>();

/** All that a person would search an alert by, lower case. Alerts are frozen, so it is made once for each. */
function haystack(alert: Alert): string {
  let text = haystacks.get(alert);
  if (text === undefined) {
    const region = alert.region ?? "";
    text = [
      alert.title.zh,
      alert.title.en,
      alert.summary.zh,
      alert.summary.en,
      alert.subject,
      alert.rule,
      alert.alert,
      region,
      region ? regionName(region, "zh") : "",
      region ? regionName(region, "en") : "",
      alert.domain,
      ...Object.values(alert.key).map(String),
    ]
      .filter(Boolean)
      .join("\n")
      .toLowerCase();
    haystacks.set(alert, text);
  }
  return text;
}

export function searchWords(text: string): string[] {
  return text.toLowerCase().split(/\s+/).filter(Boolean);
}

export type Counts = Record<Severity, number> & { total: number };

export function noCounts(): Counts {
  return { red: 0, orange: 0, yellow: 0, blue: 0, total: 0 };
}

/** What the list holds, and how many each choice would hold if only that choice were changed. */
export interface View {
  readonly alerts: readonly Alert[];
  readonly severity: Counts;
  readonly state: Record<State, number>;
  readonly condition: Record<Condition, number>;
  readonly domain: ReadonlyMap<string, Counts>;
  /** By the first four digits of the division code. */
  readonly region: ReadonlyMap<string, Counts>;
}

function bump(map: Map<string, Counts>, key: string, severity: Severity): void {
  let counts = map.get(key);
  if (!counts) map.set(key, (counts = noCounts()));
  counts[severity] = (counts[severity] ?? 0) + 1;
  counts.total += 1;
}

const SEVERITY = 1;
const STATE = 2;
const CONDITION = 4;
const DOMAIN = 8;
const REGION = 16;
const OTHER = 32;

/** One pass over all alerts: the matching ones in order, and the counts beside every choice. */
export function look(alerts: Iterable<Alert>, filters: Filters): View {
  const wanted = searchWords(filters.text);
  const matching: Alert[] = [];
  const severity = noCounts();
  const state: Record<State, number> = { open: 0, acked: 0, assigned: 0, resolved: 0 };
  const condition: Record<Condition, number> = { active: 0, cleared: 0 };
  const domain = new Map<string, Counts>();
  const region = new Map<string, Counts>();
  for (const alert of alerts) {
    let misses = 0;
    if (filters.severities.length > 0 && !filters.severities.includes(alert.severity)) misses |= SEVERITY;
    if (!filters.states.includes(alert.state)) misses |= STATE;
    if (filters.condition && alert.condition !== filters.condition) misses |= CONDITION;
    if (filters.domain && alert.domain !== filters.domain) misses |= DOMAIN;
    if (filters.region && !(alert.region ?? "").startsWith(filters.region)) misses |= REGION;
    if (filters.rule && alert.rule !== filters.rule) misses |= OTHER;
    if (filters.subject && alert.subject !== filters.subject) misses |= OTHER;
    if (wanted.length > 0 && (misses & OTHER) === 0) {
      const text = haystack(alert);
      if (!wanted.every((word) => text.includes(word))) misses |= OTHER;
    }
    if (misses === 0) matching.push(alert);
    if (alert.shadow) continue; // on trial: listed where it is asked for, counted nowhere
    if ((misses & ~SEVERITY) === 0) {
      severity[alert.severity] += 1;
      severity.total += 1;
    }
    if ((misses & ~STATE) === 0) state[alert.state] += 1;
    if ((misses & ~CONDITION) === 0) condition[alert.condition] += 1;
    if ((misses & ~DOMAIN) === 0) bump(domain, alert.domain, alert.severity);
    if ((misses & ~REGION) === 0) bump(region, (alert.region ?? "").slice(0, 4), alert.severity);
  }
  matching.sort(compareAlerts(filters.sort));
  return { alerts: matching, severity, state, condition, domain, region };
}
