import { computed, ref } from "vue";
import { DEFAULT_FILTERS, parseFilters, writeFilters, type Filters } from "../model/filters";

/** The address is the state: filters, the open alert, wall mode. A link shows what its sender saw. */
const query = ref(new URLSearchParams(location.search));

addEventListener("popstate", () => {
  query.value = new URLSearchParams(location.search);
});

function write(next: URLSearchParams, how: "replace" | "push"): void {
  // URLSearchParams writes commas as %2C; plain ones are legal in a query and legible in a chat message.
  const text = next.toString().replaceAll("%2C", ",");
  const url = text ? `?${text}` : location.pathname;
  if (how === "push") history.pushState({ board: true }, "", url);
  else history.replaceState(history.state, "", url);
  query.value = next;
}

export const filters = computed<Filters>(() => parseFilters(query.value));

export function setFilters(change: Partial<Filters>): void {
  write(writeFilters({ ...filters.value, ...change }, query.value), "replace");
}

export function clearFilters(): void {
  setFilters({ ...DEFAULT_FILTERS, sort: filters.value.sort });
}

/** What the address was before the drawer opened: only if nothing else changed since may closing be a step back. */
let before: string | null = null;

function withoutAlert(): URLSearchParams {
  const next = new URLSearchParams(query.value);
  next.delete("alert");
  return next;
}

/** The alert in the drawer. Opening one is a step that the back button undoes. */
export const openAlert = computed(() => query.value.get("alert"));

export function showAlert(id: string | null): void {
  if (id === openAlert.value) return;
  const next = withoutAlert();
  if (id === null) {
    const stepBack = before === next.toString() && (history.state as { board?: boolean } | null)?.board === true;
    before = null;
    if (stepBack) history.back();
    else write(next, "replace");
    return;
  }
  const opening = openAlert.value === null;
  if (opening) before = next.toString();
  next.set("alert", id);
  write(next, opening ? "push" : "replace");
}

export const wall = computed(() => query.value.get("wall") === "1");

export function setParameter(name: string, value: string | null): void {
  const next = new URLSearchParams(query.value);
  if (value === null) next.delete(name);
  else next.set(name, value);
  write(next, "replace");
}

export function parameter(name: string): string | null {
  return query.value.get(name);
}
