import { computed, nextTick, reactive, ref, shallowRef, watch } from "vue";
import { ApiError, PAGE_LIMIT, api, apiUrl } from "../api/client";
import { AlertStream } from "../api/stream";
import { parseInstant } from "../format/time";
import { AlertBook, BOOK_LIMIT } from "../model/book";
import { UNRESOLVED, look, serverQuery, type View } from "../model/filters";
import { dataAge, ratesBetween, warningOf, type Heard, type Link, type Moment } from "../model/pulse";
import type { Alert, Summary, Transition, Trend } from "../model/types";
import { filters, parameter, setParameter } from "./address";
import { page_ms, serverNow, setServerTime, speed } from "./clock";
import { gather } from "./gather";
import { isSignedOut, sessionEnded } from "./session";

/** The board's live state: alerts from a page load and then the stream, the summary by polling, the trend by polling. */

export type Phase = "loading" | "ready" | "failed" | "forbidden";

const SUMMARY_EVERY_MS = 5_000;
const TREND_EVERY_MS = 30_000;
/** Openings are gathered for this long before the trend is asked again. */
const TREND_SOON_MS = 2_000;
/** The log moved on and the socket said nothing for this long: it is dead without knowing. */
const SILENCE_MS = 15_000;
const RELOAD_FIRST_MS = 2_000;
const RELOAD_MOST_MS = 30_000;

const book = new AlertBook();
const version = ref(0);

export const phase = ref<Phase>("loading");
export const failure = shallowRef<ApiError | null>(null);
/** The newest summary, and the one before it. */
export const heard = shallowRef<Heard | null>(null);
const heardBefore = shallowRef<Heard | null>(null);
export const summary = computed<Summary | null>(() => heard.value?.summary ?? null);
export const trend = shallowRef<Trend | null>(null);
/** Pages are still coming in: rows take their places as they come, whoever looks. */
export const filling = ref(false);
/** More alerts match at the server than are held here. */
export const truncated = ref(false);
export const link = reactive<Link>({ stream: "connecting", attempt: 0, open: moment(), answered: moment() });

let stream: AlertStream | null = null;
let silentSince_ms = 0;
let summaryTimer: ReturnType<typeof setTimeout> | null = null;
let trendTimer: ReturnType<typeof setTimeout> | null = null;
let reloadTimer: ReturnType<typeof setTimeout> | null = null;
let reloadDelay_ms = RELOAD_FIRST_MS;
let running = false;
/** Distinguishes this run of the board from an earlier one whose answers still arrive. */
let run = 0;

function moment(): Moment {
  return { page_ms: performance.now(), at_ms: serverNow() };
}

const listeners = new Set<(transitions: readonly Transition[]) => void>();

/** Hear every transition as it comes (the drawer appends them to its trail). Returns what stops it. */
export function onTransitions(listener: (transitions: readonly Transition[]) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const view = computed<View>(() => {
  void version.value;
  return look(book.values(), filters.value);
});

export function alertOf(id: string): Alert | undefined {
  void version.value;
  return book.get(id);
}

export const fallen = computed(() => {
  void version.value;
  return book.fallen;
});

/** All that still wants somebody, whatever the filter: for the page's title and the empty list. */
export const unacknowledgedRed = computed(() => {
  void version.value;
  let count = 0;
  for (const alert of book.values()) if (alert.severity === "red" && alert.state === "open" && !alert.shadow) count += 1;
  return count;
});

export const zone = computed(() => summary.value?.zone ?? "Asia/Shanghai");
export const warning = computed(() => (phase.value === "ready" ? warningOf(link, summary.value, page_ms.value) : null));
export const rates = computed(() => ratesBetween(heardBefore.value, heard.value));
export const dataAge_ms = computed(() => dataAge(heard.value, page_ms.value, speed.value));

export function applyTransitions(transitions: readonly Transition[]): void {
  const change = book.apply(transitions);
  if (change.changed.length === 0) return;
  version.value += 1;
  for (const listener of listeners) listener(transitions);
  if (change.added.length > 0) soonTrend();
}

/** The page is drawn at most ten times a second, and less often where drawing is dear. */
const incoming = gather<Transition>(
  async (transitions) => {
    applyTransitions(transitions);
    await nextTick();
  },
  { pause_ms: 100, share: 0.3 },
);

function baseQuery(): Record<string, string> {
  const query: Record<string, string> = { limit: String(PAGE_LIMIT) };
  if (parameter("shadow") === "1") query.shadow = "1";
  return query;
}

/** Bring in the alerts of a query, page after page, up to what the book holds. True where there were more. */
async function loadPages(query: Record<string, string>, room: number, mine: number): Promise<boolean> {
  let cursor = "";
  let count = 0;
  filling.value = true;
  try {
    do {
      const page = await api.alerts({ ...baseQuery(), ...query, ...(cursor ? { cursor } : {}) });
      if (mine !== run) return false;
      const change = book.apply(page.items);
      if (change.changed.length > 0) version.value += 1;
      if (phase.value === "loading") phase.value = "ready";
      count += page.items.length;
      cursor = page.next ?? "";
    } while (cursor && count < room);
    return cursor !== "";
  } finally {
    // The list settles once more with the last page before it may hold.
    await nextTick();
    if (mine === run) filling.value = false;
  }
}

async function load(mine: number): Promise<void> {
  try {
    // The seq is taken before the pages: what happens while they load comes again by the stream, and repeats are dropped.
    const first = await api.summary();
    if (mine !== run) return;
    acceptSummary(first);
    const more = await loadPages({ state: UNRESOLVED.join(",") }, Math.floor(BOOK_LIMIT * 0.75), mine);
    if (mine !== run) return;
    truncated.value = more;
    phase.value = "ready";
    failure.value = null;
    reloadDelay_ms = RELOAD_FIRST_MS;
    connect(first.seq);
    if (filters.value.states.includes("resolved")) void loadByFilter();
  } catch (error) {
    if (mine !== run) return;
    if (isSignedOut(error)) {
      stop();
      sessionEnded();
      return;
    }
    failure.value = error instanceof ApiError ? error : new ApiError(0, "", String(error));
    phase.value = failure.value.status === 403 ? "forbidden" : "failed";
    reloadTimer = setTimeout(() => void load(mine), reloadDelay_ms);
    reloadDelay_ms = Math.min(RELOAD_MOST_MS, reloadDelay_ms * 2);
  }
}

let asked = "";

/** What the first load left out (resolved ones, and what lies beyond the bound) is asked for when a filter wants it. */
async function loadByFilter(): Promise<void> {
  const wantsResolved = filters.value.states.includes("resolved");
  if (!wantsResolved && !truncated.value) return;
  const query = { ...serverQuery(filters.value), state: filters.value.states.join(",") };
  const key = JSON.stringify(query);
  if (key === asked || phase.value !== "ready") return;
  asked = key;
  try {
    await loadPages(query, 2 * PAGE_LIMIT, run);
  } catch (error) {
    asked = "";
    if (isSignedOut(error)) sessionEnded();
  }
}

watch(filters, () => void loadByFilter());

function connect(after: number): void {
  stream?.stop();
  stream = new AlertStream(
    after,
    {
      url: (seq) => {
        const query: Record<string, string> = { after: String(seq) };
        if (parameter("shadow") === "1") query.shadow = "1";
        const url = apiUrl("alerts/stream", query);
        url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
        return url.href;
      },
    },
    {
      transitions: (transitions) => {
        link.open = moment();
        silentSince_ms = 0;
        incoming.add(transitions);
      },
      state: (state, attempt) => {
        if (link.stream === "open" || state === "open") link.open = moment();
        link.stream = state;
        link.attempt = attempt;
        if (state === "open") silentSince_ms = 0;
      },
      reset: () => restart(),
      refused: () => void pollSummary(),
    },
  );
  stream.start();
}

function acceptSummary(next: Summary): void {
  setServerTime(parseInstant(next.at));
  heardBefore.value = heard.value;
  heard.value = { summary: next, page_ms: performance.now() };
  link.answered = moment();
  if (!stream || link.stream !== "open") return;
  link.open = moment();
  if (next.seq <= stream.heard) silentSince_ms = 0;
  else if (silentSince_ms === 0) silentSince_ms = Date.now();
  else if (Date.now() - silentSince_ms > SILENCE_MS) {
    silentSince_ms = 0;
    stream.reconnect();
  }
}

async function pollSummary(): Promise<void> {
  const mine = run;
  if (summaryTimer !== null) clearTimeout(summaryTimer);
  try {
    const next = await api.summary();
    if (mine === run) acceptSummary(next);
  } catch (error) {
    if (mine !== run) return;
    if (isSignedOut(error)) {
      stop();
      sessionEnded();
      return;
    }
  }
  if (mine === run && running) summaryTimer = setTimeout(() => void pollSummary(), SUMMARY_EVERY_MS);
}

async function pollTrend(): Promise<void> {
  const mine = run;
  if (trendTimer !== null) clearTimeout(trendTimer);
  trendTimer = null;
  try {
    const { domain, region, rule, subject } = serverQuery(filters.value);
    const query: Record<string, string> = { bucket: "1h" };
    for (const [name, value] of Object.entries({ domain, region, rule, subject })) if (value) query[name] = value;
    const next = await api.trend(query);
    if (mine === run) trend.value = next;
  } catch {
    // the trend is an ornament beside the list: the old one stays, and the heartbeat speaks of the server
  }
  if (mine === run && running && trendTimer === null) trendTimer = setTimeout(() => void pollTrend(), TREND_EVERY_MS);
}

let trendSoon = false;

function soonTrend(): void {
  if (trendSoon || !running) return;
  trendSoon = true;
  setTimeout(() => {
    trendSoon = false;
    if (running) void pollTrend();
  }, TREND_SOON_MS);
}

watch(
  () => [filters.value.domain, filters.value.region, filters.value.rule, filters.value.subject].join("\n"),
  () => {
    if (running) void pollTrend();
  },
);

/** Connect again at once: the button of the bar. */
export function reconnectNow(): void {
  stream?.reconnect();
  void pollSummary();
}

export function start(): void {
  if (running) return;
  running = true;
  run += 1;
  asked = "";
  phase.value = "loading";
  link.open = moment();
  link.answered = moment();
  link.stream = "connecting";
  void load(run);
  summaryTimer = setTimeout(() => void pollSummary(), SUMMARY_EVERY_MS);
  void pollTrend();
}

export function stop(): void {
  running = false;
  run += 1;
  for (const timer of [summaryTimer, trendTimer, reloadTimer]) if (timer !== null) clearTimeout(timer);
  summaryTimer = trendTimer = reloadTimer = null;
  stream?.stop();
  stream = null;
  incoming.clear();
}

/** Alerts of rules on trial are in the list, too. */
export const showsTrials = computed(() => parameter("shadow") === "1");

export function showTrials(on: boolean): void {
  setParameter("shadow", on ? "1" : null);
  restart();
}

/** Begin anew: after another data directory, or a failure. */
export function restart(): void {
  stop();
  book.clear();
  version.value += 1;
  start();
}

// A laptop that wakes, or a network that comes back, need not wait for the back-off.
addEventListener("online", () => running && reconnectNow());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && running && link.stream === "waiting") reconnectNow();
});
