import { ref } from "vue";
import { ServerClock } from "../model/serverClock";

/** Ticks of the page, one a second: the server's time for all that is shown, and the page's own for all that is waited for. */

const clock = new ServerClock();

/** The server's time now, epoch milliseconds. A wall's PC may be minutes off. */
export const now = ref(Date.now());
/** Milliseconds of this page, which no clock change moves: for patience and ages of answers. */
export const page_ms = ref(performance.now());
/** How fast the server's clock runs: 1, but for a recorded day that is played quickly. */
export const speed = ref(1);

/** The server said `at_ms` just now. */
export function setServerTime(at_ms: number): void {
  clock.hear(at_ms, performance.now());
  speed.value = clock.speed;
  tick();
}

export function serverNow(): number {
  return clock.now(performance.now());
}

function tick(): void {
  page_ms.value = performance.now();
  now.value = clock.now(page_ms.value);
}

setInterval(tick, 1000);
