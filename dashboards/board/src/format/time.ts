/** Instants and spans in words. Instants are shown in the zone that the server names, not in that of the wall's PC. */

export type Language = "zh" | "en";

interface Parts {
  year: string;
  month: string;
  day: string;
  hour: string;
  minute: string;
  second: string;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (!format) {
    const options: Intl.DateTimeFormatOptions = {
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
      hourCycle: "h23",
    };
    try {
      format = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone || undefined });
    } catch {
      format = new Intl.DateTimeFormat("en-GB", options); // a zone that this browser does not know
    }
    formats.set(zone, format);
  }
  return format;
}

function partsOf(at_ms: number, zone: string): Parts {
  const parts: Record<string, string> = {};
  for (const { type, value } of formatOf(zone).formatToParts(at_ms)) parts[type] = value;
  return parts as unknown as Parts;
}

/** Epoch milliseconds of an RFC 3339 instant; NaN where it is none. */
export function parseInstant(text: string | null | undefined): number {
  return text ? Date.parse(text) : NaN;
}

/** 09:31:05, with the date only where it is not today: 11-23 09:31. */
export function formatTime(at_ms: number, now_ms: number, zone: string): string {
  if (!Number.isFinite(at_ms)) return "—";
  const at = partsOf(at_ms, zone);
  const now = partsOf(now_ms, zone);
  if (at.year === now.year && at.month === now.month && at.day === now.day) return `${at.hour}:${at.minute}:${at.second}`;
  if (at.year === now.year) return `${at.month}-${at.day} ${at.hour}:${at.minute}`;
  return `${at.year}-${at.month}-${at.day}`;
}

/** 2026-11-23 09:31:05 */
export function formatInstant(at_ms: number, zone: string): string {
  if (!Number.isFinite(at_ms)) return "—";
  const p = partsOf(at_ms, zone);
  return `${p.year}-${p.month}-${p.day} ${p.hour}:${p.minute}:${p.second}`;
}

/** 09:31 */
export function formatMinute(at_ms: number, zone: string): string {
  const p = partsOf(at_ms, zone);
  return `${p.hour}:${p.minute}`;
}

/** 11-23 */
export function formatDay(at_ms: number, zone: string): string {
  const p = partsOf(at_ms, zone);
  return `${p.month}-${p.day}`;
}

const WEEKDAYS: Record<Language, string> = { zh: "zh-CN", en: "en-GB" };

/** 11月23日 周一 / Mon 23 Nov */
export function formatDate(at_ms: number, zone: string, language: Language): string {
  const options: Intl.DateTimeFormatOptions = { month: language === "zh" ? "long" : "short", day: "numeric", weekday: "short" };
  try {
    return new Intl.DateTimeFormat(WEEKDAYS[language], { ...options, timeZone: zone || undefined }).format(at_ms);
  } catch {
    return new Intl.DateTimeFormat(WEEKDAYS[language], options).format(at_ms);
  }
}

const UNITS: Record<Language, [second: string, minute: string, hour: string, day: string]> = {
  zh: [" 秒", " 分钟", " 小时", " 天"],
  en: [" s", " min", " h", " d"],
};

/** A span in its largest whole unit: 12 秒, 3 分钟, 2 小时, 5 天. */
export function formatSpan(span_ms: number, language: Language): string {
  if (!Number.isFinite(span_ms)) return "—";
  const s = Math.max(0, Math.floor(span_ms / 1000));
  const [second, minute, hour, day] = UNITS[language];
  if (s < 60) return `${s}${second}`;
  if (s < 3600) return `${Math.floor(s / 60)}${minute}`;
  if (s < 48 * 3600) return `${Math.floor(s / 3600)}${hour}`;
  return `${Math.floor(s / 86400)}${day}`;
}

/** 12 秒前 / 12 s ago; what lies ahead by clock differences is "now". */
export function formatAge(span_ms: number, language: Language): string {
  if (!Number.isFinite(span_ms)) return "—";
  if (span_ms < 1000) return language === "zh" ? "刚刚" : "just now";
  const span = formatSpan(span_ms, language);
  return language === "zh" ? `${span}前` : `${span} ago`;
}

/** A span in two units where the first is small: 1 小时 20 分. */
export function formatDuration(span_ms: number, language: Language): string {
  if (!Number.isFinite(span_ms)) return "—";
  const minutes = Math.floor(Math.max(0, span_ms) / 60_000);
  if (minutes < 60) return formatSpan(span_ms, language);
  const zh = language === "zh";
  if (minutes < 24 * 60) {
    const rest = minutes % 60;
    const hours = `${Math.floor(minutes / 60)}${zh ? " 小时" : " h"}`;
    return rest === 0 ? hours : `${hours} ${rest}${zh ? " 分" : " min"}`;
  }
  const hours = Math.floor(minutes / 60);
  const days = `${Math.floor(hours / 24)}${zh ? " 天" : " d"}`;
  return hours % 24 === 0 ? days : `${days} ${hours % 24}${zh ? " 小时" : " h"}`;
}
