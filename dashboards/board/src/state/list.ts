import { computed, reactive, ref, shallowRef, watch } from "vue";
import { NOTHING_SHOWN, hold, isReading, settle, type Shown } from "../model/reading";
import { writeFilters } from "../model/filters";
import { filters, wall } from "./address";
import { filling, phase, view } from "./board";
import { page_ms } from "./clock";

/** What stands on the list while somebody reads it, and which row has the keyboard. */

const FRESH_MS = 1600;

export const shown = shallowRef<Shown>(NOTHING_SHOWN);
export const attention = reactive({ scrolled: false, hovered: false, focused: false });
/** The row that the keyboard is on. */
export const activeId = ref<string | null>(null);
const lastInput_ms = ref(performance.now());

export function noteInput(): void {
  lastInput_ms.value = performance.now();
}

export const quiet_ms = computed(() => Math.max(0, page_ms.value - lastInput_ms.value));
export const reading = computed(() => isReading({ ...attention, quiet_ms: quiet_ms.value }, wall.value));

const filterKey = computed(() => writeFilters(filters.value, new URLSearchParams()).toString());
let settledKey: string | null = null;
let freshTimer: ReturnType<typeof setTimeout> | null = null;

function ids(): string[] {
  return view.value.alerts.map((alert) => alert.alert);
}

/** Let everything take its place, whoever reads. */
export function settleNow(): void {
  const known = !filling.value && settledKey === filterKey.value && shown.value.order.length > 0;
  shown.value = settle(shown.value, ids(), { markFresh: known });
  settledKey = filterKey.value;
  if (shown.value.fresh.size > 0) {
    if (freshTimer !== null) clearTimeout(freshTimer);
    freshTimer = setTimeout(() => (shown.value = { ...shown.value, fresh: new Set() }), FRESH_MS);
  }
}

watch(
  [view, reading, phase, filterKey],
  () => {
    if (phase.value !== "ready" || filling.value || settledKey !== filterKey.value || !reading.value || shown.value.order.length === 0) settleNow();
    else shown.value = hold(shown.value, ids());
  },
  { immediate: true },
);

/** The id `step` rows from the active one; the first row where none is active. */
export function neighbour(from: string | null, step: number): string | null {
  const order = shown.value.order;
  if (order.length === 0) return null;
  const at = from === null ? -1 : order.indexOf(from);
  if (at === -1) return order[0] ?? null;
  return order[Math.min(order.length - 1, Math.max(0, at + step))] ?? null;
}
