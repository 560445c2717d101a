import { computed, nextTick, ref, watch } from "vue";
import { wall } from "./address";

/** Measures of the page that script needs: one rem in pixels (type grows with the screen), and whether it is a phone. */
export const rem_px = ref(14);
export const width_px = ref(innerWidth);

function measure(): void {
  rem_px.value = parseFloat(getComputedStyle(document.documentElement).fontSize) || 14;
  width_px.value = innerWidth;
}

addEventListener("resize", measure);
watch(
  wall,
  (on) => {
    document.documentElement.dataset.mode = on ? "wall" : "desk";
    void nextTick(measure);
  },
  { immediate: true },
);

export const phone = computed(() => width_px.value < 760);
/** Between a phone and a desk the panels go below each other. */
export const narrow = computed(() => width_px.value < 1100);
