/** What the server says (docs/api.md). Instants are RFC 3339 in UTC. */

export type Severity = "red" | "orange" | "yellow" | "blue";
export type State = "open" | "acked" | "assigned" | "resolved";
export type Condition = "active" | "cleared";
export type Words = { zh: string; en: string };
export type Scalar = string | number | boolean | null;

export interface Evidence {
  feed: string;
  key: Record<string, Scalar>;
  from: string;
  to: string;
  events: string[];
}

/** One step of an alert's life, and the alert as it then is. An alert is its newest transition. */
export interface Transition {
  seq: number;
  alert: string;
  n: number;
  type: string;
  at: string;
  rule: string;
  version: string;
  domain: string;
  severity: Severity;
  key: Record<string, Scalar>;
  region: string | null;
  subject: string | null;
  measures: Record<string, Scalar>;
  evidence: Evidence;
  title: Partial<Words>;
  summary: Partial<Words>;
  by: string | null;
  state: State;
  condition: Condition;
  count: number;
  opened_at: string;
  closed_at: string | null;
  note: string | null;
  to: string | null;
  reason: string | null;
  act: string | null;
  shadow: boolean;
}

export type Alert = Transition;
export type EventRecord = Record<string, unknown>;

export interface AlertDetail extends Transition {
  history: Transition[];
  events: EventRecord[];
  events_error?: string;
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

export interface Me {
  name: string;
  role: string;
  via: string;
  zone?: string;
  version?: string;
}

export type Health = "ok" | "behind" | "stalled";

export interface Problem {
  part: string;
  level: "notice" | "behind" | "stalled";
  since: string | null;
  title: Partial<Words>;
  detail: string | null;
}

export interface FeedPulse {
  feed: string;
  title: Partial<Words>;
  domain: string;
  accepted: number;
  newest_time: string | null;
  newest_receipt: string | null;
  watermark: string | null;
}

/** One fault of a rule file; a file as a whole has no line. */
export interface RuleFault {
  file: string;
  line: number | null;
  column: number | null;
  message: string;
  hint: string;
}

/** The newest rule files are not in force. The first `errors` of all `faults` are for operators only. */
export interface Refusal {
  since: string;
  faults: number;
  errors: RuleFault[];
}

export interface Summary {
  at: string;
  seq: number;
  zone: string;
  health: Health;
  problems: Problem[];
  alerts: {
    unresolved: number;
    active: number;
    unacknowledged: number;
    severity: Record<Severity, number>;
    state: Record<State, number>;
    domain: ({ domain: string; total: number } & Record<Severity, number>)[];
    region: ({ region: string; total: number } & Record<Severity, number>)[];
  };
  feeds: FeedPulse[];
  engine: { running: boolean; clock: string | null; pos: number; newest: number; lag: number; lag_s: number; error: string | null };
  sinks: { name: string; lag: number; last_success: string | null; error: string | null }[];
  /** `since`: when the set in force was activated. */
  rules: { version: string | null; count: number; shadow: number; since: string | null; refused: Refusal | null };
}

export interface TrendBucket extends Record<Severity, number> {
  at: string;
  total: number;
}

export interface Trend {
  from: string;
  to: string;
  bucket_s: number;
  items: TrendBucket[];
}

export type Point = [string, number | null];

export interface Series {
  alert: string;
  from: string;
  to: string;
  opened_at: string;
  closed_at: string | null;
  kind: "value" | "count";
  field: string | null;
  title: Partial<Words> | null;
  unit: string;
  bucket_s: number;
  points: Point[];
  limit: number | null;
  measures: Record<string, Point[]>;
  marks: { at: string; type: string; severity: Severity }[];
}

export interface FeedInfo {
  name: string;
  title: Partial<Words>;
  fields: Map<string, { title: Partial<Words>; unit: string; personal: boolean }>;
}

export interface RuleInfo {
  id: string;
  version: string;
  /** The standard or order that the rule cites. */
  source: string | null;
}

export interface RuleSection {
  name: string;
  title: string;
  lines: { text: string; items: string[] }[];
}

/** A rule with what it does in plain words. */
export interface ExplainedRule extends RuleInfo {
  explanation: { zh: RuleSection[]; en: RuleSection[] };
}

export type Verb = "ack" | "assign" | "note" | "resolve" | "reopen";

export type Frame = { hello: { seq: number } } | { transitions: Transition[] } | { bye: string };
