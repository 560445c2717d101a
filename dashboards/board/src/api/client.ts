import type { Alert, AlertDetail, EventRecord, ExplainedRule, FeedInfo, Me, Page, RuleInfo, Series, Summary, Trend, Verb, Words } from "../model/types";

/** What the server refused, or that it could not be reached (status 0). `title` says what to do. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
  ) {
    super(detail ? `${title}: ${detail}` : title);
    this.name = "ApiError";
  }
}

const TIMEOUT_MS = 15_000;

/** Relative to the page, so that the board also works under a path of a proxy. */
export function apiUrl(path: string, query: Record<string, string> = {}): URL {
  const url = new URL(`api/v1/${path}`, document.baseURI);
  for (const [name, value] of Object.entries(query)) if (value !== "") url.searchParams.set(name, value);
  return url;
}

async function call<T>(path: string, options: { query?: Record<string, string>; method?: string; body?: unknown } = {}): Promise<T> {
  const init: RequestInit = {
    method: options.method ?? "GET",
    headers: { Accept: "application/json" },
    credentials: "same-origin",
    cache: "no-store",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  };
  if (options.body !== undefined) {
    init.body = JSON.stringify(options.body);
    init.headers = { ...init.headers, "Content-Type": "application/json" };
  }
  let response: Response;
  try {
    response = await fetch(apiUrl(path, options.query), init);
  } catch (error) {
    throw new ApiError(0, "", error instanceof Error ? error.message : String(error));
  }
  if (!response.ok) throw await problemOf(response);
  if (response.status === 204) return undefined as T;
  try {
    return (await response.json()) as T;
  } catch {
    throw new ApiError(response.status, "", `${path}: not JSON`);
  }
}

async function problemOf(response: Response): Promise<ApiError> {
  try {
    const body = (await response.json()) as { title?: string; detail?: string };
    return new ApiError(response.status, body.title ?? response.statusText, body.detail ?? "");
  } catch {
    return new ApiError(response.status, response.statusText, "");
  }
}

export const api = {
  me: () => call<Me>("me"),
  signIn: (token: string) => call<Me>("session", { method: "POST", body: { token } }),
  signOut: () => call<void>("session", { method: "DELETE" }),
  summary: () => call<Summary>("board/summary", { query: { digits: "4" } }),
  alerts: (query: Record<string, string>) => call<Page<Alert>>("alerts", { query }),
  alert: (id: string) => call<AlertDetail>(`alerts/${encodeURIComponent(id)}`),
  series: (id: string) => call<Series>(`alerts/${encodeURIComponent(id)}/series`),
  rules: (query: Record<string, string>) => call<Page<RuleInfo>>("rules", { query }),
  rule: (id: string) => call<ExplainedRule>(`rules/${encodeURIComponent(id)}`),
  trend: (query: Record<string, string>) => call<Trend>("trend", { query }),
  act: (id: string, verb: Verb, body: { note?: string; to?: string }) =>
    call<Alert>(`alerts/${encodeURIComponent(id)}/${verb}`, { method: "POST", body }),
  feeds: async (): Promise<Map<string, FeedInfo>> => {
    const page = await call<Page<Record<string, unknown>>>("feeds", { query: { limit: "1000" } });
    return new Map(page.items.map((item) => [feedInfo(item).name, feedInfo(item)]));
  },
};

/** A feed of the catalogue; its fields may come as a list or as a mapping. */
export function feedInfo(item: Record<string, unknown>): FeedInfo {
  const fields: FeedInfo["fields"] = new Map();
  const given = item.fields;
  const entries: [string, EventRecord][] = Array.isArray(given)
    ? given.map((f: EventRecord) => [String(f.name), f])
    : Object.entries((given ?? {}) as Record<string, EventRecord>);
  for (const [name, field] of entries) {
    fields.set(name, {
      title: (field?.title ?? {}) as Partial<Words>,
      unit: typeof field?.unit === "string" ? field.unit : "",
      personal: field?.personal === true,
    });
  }
  return { name: String(item.name ?? item.feed ?? ""), title: (item.title ?? {}) as Partial<Words>, fields };
}

export const PAGE_LIMIT = 1000;
