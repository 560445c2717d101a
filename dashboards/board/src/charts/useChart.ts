import { onBeforeUnmount, onMounted, shallowRef, watch, type Ref } from "vue";
import { theme } from "../state/preferences";
import { rem_px } from "../state/size";
import { readInk, type Ink } from "./ink";
import type { EChartsCoreOption, EChartsType } from "./chart";

/** Draw what `option` says into an element, again whenever that, the theme or the size changes. ECharts loads on first use. */
export function useChart(element: Readonly<Ref<HTMLElement | null>>, option: (ink: Ink) => EChartsCoreOption | null): void {
  const chart = shallowRef<EChartsType | null>(null);
  let gone = false;
  let observer: ResizeObserver | null = null;

  onMounted(async () => {
    const { makeChart } = await import("./chart");
    if (gone || !element.value) return;
    chart.value = makeChart(element.value);
    observer = new ResizeObserver(() => chart.value?.resize());
    observer.observe(element.value);
  });
  onBeforeUnmount(() => {
    gone = true;
    observer?.disconnect();
    chart.value?.dispose();
  });

  watch(
    () => {
      void theme.value;
      void rem_px.value;
      return chart.value ? option(readInk()) : null;
    },
    (next) => {
      if (next) chart.value?.setOption(next, { notMerge: true });
    },
    { flush: "post" },
  );
}
