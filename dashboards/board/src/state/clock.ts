import { ref } from "vue";

/** One tick a second for all ages on the page, by the server's clock: a wall's PC may be minutes off. */
export const now = ref(Date.now());

let offset_ms = 0;

/** The server said `at_ms` just now. Small differences are the network's, and are left alone. */
export function setServerTime(at_ms: number): void {
  if (!Number.isFinite(at_ms)) return;
  const measured_ms = at_ms - Date.now();
  if (Math.abs(measured_ms - offset_ms) > 1500) offset_ms = measured_ms;
  now.value = Date.now() + offset_ms;
}

export function serverNow(): number {
  return Date.now() + offset_ms;
}

setInterval(() => {
  now.value = serverNow();
}, 1000);
