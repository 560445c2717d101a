import type { Severity } from "../model/types";

/** The colours and sizes of the page as the canvas needs them: spelled out. */
export interface Ink {
  text: string;
  muted: string;
  faint: string;
  line: string;
  surface: string;
  raised: string;
  accent: string;
  severity: Record<Severity, string>;
  font: string;
  small_px: number;
  rem_px: number;
}

export function readInk(): Ink {
  const style = getComputedStyle(document.documentElement);
  const token = (name: string): string => style.getPropertyValue(name).trim();
  const rem_px = parseFloat(style.fontSize) || 14;
  return {
    text: token("--text"),
    muted: token("--muted"),
    faint: token("--faint"),
    line: token("--line"),
    surface: token("--surface"),
    raised: token("--raised"),
    accent: token("--accent"),
    severity: { red: token("--red"), orange: token("--orange"), yellow: token("--yellow"), blue: token("--blue") },
    font: token("--font"),
    small_px: Math.round(rem_px * 0.857),
    rem_px,
  };
}

/** A tooltip drawn on the canvas: an HTML one would need inline styles, which the page's policy refuses. */
export function tooltipOf(ink: Ink): Record<string, unknown> {
  return {
    trigger: "axis",
    renderMode: "richText",
    confine: true,
    backgroundColor: ink.raised,
    borderColor: ink.line,
    borderWidth: 1,
    padding: [6, 10],
    textStyle: { color: ink.text, fontSize: ink.small_px, fontFamily: ink.font },
    axisPointer: { type: "line", lineStyle: { color: ink.faint, type: "solid", width: 1 } },
  };
}
