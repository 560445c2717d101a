import { formatNumber } from "../format/number";
import { formatDay, formatInstant, formatMinute, parseInstant } from "../format/time";
import type { Series, Severity } from "../model/types";
import { tooltipOf, type Ink } from "./ink";
import type { EChartsCoreOption } from "./chart";

export interface MeasureWords {
  severity: Severity;
  zone: string;
  limit: string;
  opened: string;
  closed: string;
}

const DAY_MS = 86_400_000;

/** The ECharts option of an alert's series. */
export function measureOption(series: Series, ink: Ink, words: MeasureWords): EChartsCoreOption {
  const from_ms = parseInstant(series.from);
  const to_ms = parseInstant(series.to);
  const points = series.points.map(([at, value]) => [parseInstant(at), value] as const);
  const long = to_ms - from_ms > 1.5 * DAY_MS;
  const label = { color: ink.muted, fontSize: ink.small_px, fontFamily: ink.font };
  const isCount = series.kind === "count";
  const values = points.flatMap(([, value]) => (value === null ? [] : [value]));
  if (series.limit !== null) values.push(series.limit);
  const top = Math.max(...values, 0);
  const low = Math.min(...values);

  const opened_ms = parseInstant(series.opened_at);
  const closed_ms = parseInstant(series.closed_at);
  const severity = ink.severity[words.severity];
  const upright = (at_ms: number, text: string, color: string, strong: boolean) => ({
    xAxis: at_ms,
    lineStyle: { color, width: strong ? 2 : 1, type: "solid" },
    label: {
      ...label,
      formatter: text,
      color: strong ? ink.text : ink.muted,
      position: "end",
      distance: 4,
      // Near an edge the words turn inward, or they would be cut off.
      align: (at_ms - from_ms) / Math.max(1, to_ms - from_ms) > 0.85 ? "right" : (at_ms - from_ms) / Math.max(1, to_ms - from_ms) < 0.15 ? "left" : "center",
    },
  });
  const uprights = Number.isFinite(opened_ms) ? [upright(opened_ms, `${words.opened} ${formatMinute(opened_ms, words.zone)}`, severity, true)] : [];
  if (Number.isFinite(closed_ms) && closed_ms <= to_ms) {
    const close = (closed_ms - opened_ms) / Math.max(1, to_ms - from_ms) < 0.22;
    uprights.push(upright(closed_ms, close ? "" : `${words.closed} ${formatMinute(closed_ms, words.zone)}`, ink.faint, false));
  }
  const lines: unknown[] = [...uprights];
  if (series.limit !== null) {
    lines.push({
      yAxis: series.limit,
      lineStyle: { color: ink.text, width: 1, type: "dashed" },
      label: {
        ...label,
        color: ink.text,
        formatter: `${words.limit} ${formatNumber(series.limit)}`,
        position: "insideStartTop",
        distance: [4, 2],
        backgroundColor: ink.surface,
        padding: [0, 3],
      },
    });
  }
  return {
    animation: false,
    grid: { left: ink.rem_px * 3.2, right: ink.rem_px * 0.6, top: ink.rem_px * 1.7, bottom: ink.rem_px * 1.7 },
    tooltip: {
      ...tooltipOf(ink),
      formatter: (shown: { value: [number, number | null] }[]) => {
        const point = shown[0]?.value;
        if (!point) return "";
        return `${formatInstant(point[0], words.zone)}\n${point[1] === null ? "—" : formatNumber(point[1])} ${series.unit}`.trim();
      },
    },
    xAxis: {
      type: "time",
      min: from_ms,
      max: to_ms,
      splitNumber: 5,
      axisTick: { show: false },
      axisLine: { lineStyle: { color: ink.line } },
      axisLabel: {
        ...label,
        hideOverlap: true,
        showMinLabel: false,
        showMaxLabel: false,
        formatter: (at_ms: number) => (long ? `${formatDay(at_ms, words.zone)} ${formatMinute(at_ms, words.zone)}` : formatMinute(at_ms, words.zone)),
      },
    },
    yAxis: {
      type: "value",
      // A chart from zero, unless that would flatten what matters.
      scale: !isCount && low > 0 && low > top * 0.6,
      minInterval: isCount ? 1 : undefined,
      splitNumber: 4,
      axisLabel: { ...label, formatter: (value: number) => formatNumber(value) },
      splitLine: { lineStyle: { color: ink.line } },
    },
    series: [
      {
        type: isCount ? "bar" : "line",
        data: points,
        showSymbol: points.length <= 40,
        symbol: "circle",
        symbolSize: Math.round(ink.rem_px * 0.3),
        barMaxWidth: ink.rem_px * 1.2,
        lineStyle: { color: ink.text, width: 1.6 },
        itemStyle: { color: isCount ? ink.faint : ink.text },
        emphasis: { disabled: true },
        markLine: { silent: true, symbol: "none", animation: false, data: lines },
      },
    ],
  };
}
