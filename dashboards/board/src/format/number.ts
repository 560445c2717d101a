/** Numbers as a duty officer reads them: short, aligned, never 61.199999999999996. */

/** At most `digits` significant digits beyond the whole part's need; thousands are grouped from 10,000. */
export function formatNumber(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return "—";
  const size = Math.abs(value);
  if (Number.isInteger(value)) return size >= 10_000 ? value.toLocaleString("en-US") : String(value);
  const whole = size < 1 ? 0 : Math.floor(Math.log10(size)) + 1;
  const decimals = Math.max(size >= 100 ? 1 : 0, size < 1 ? digits : digits - whole);
  const text = size > 0 && size < 10 ** -digits ? value.toPrecision(2) : value.toFixed(Math.min(decimals, 6));
  const short = text.includes(".") && !text.includes("e") ? text.replace(/\.?0+$/, "") : text;
  return size >= 10_000 ? Number(short).toLocaleString("en-US", { maximumFractionDigits: 1 }) : short;
}

/** Counts in little room: 12, 3,456, 1.2万 / 12k. */
export function formatCount(value: number, language: "zh" | "en"): string {
  if (value < 10_000) return value.toLocaleString("en-US");
  if (language === "zh") return value < 100_000_000 ? `${trim(value / 10_000)}万` : `${trim(value / 100_000_000)}亿`;
  return value < 1_000_000 ? `${trim(value / 1000)}k` : `${trim(value / 1_000_000)}M`;
}

function trim(value: number): string {
  return value >= 100 ? String(Math.floor(value)) : (Math.floor(value * 10) / 10).toFixed(1).replace(/\.0$/, "");
}

/** A measure or a field, whatever it holds. */
export function formatValue(value: unknown): string {
  if (value === null || value === undefined || value === "") return "—";
  if (typeof value === "number") return formatNumber(value);
  if (typeof value === "boolean") return value ? "✓" : "✗";
  if (typeof value === "string") return value;
  return JSON.stringify(value);
}
