import { describe, expect, it } from "vitest";
import { formatCount, formatNumber, formatValue } from "./number";
import { formatAge, formatDate, formatDuration, formatInstant, formatSpan, formatTime } from "./time";
import { say } from "./words";

const ZONE = "Asia/Shanghai";
const at = Date.parse("2026-01-01T01:31:05.000Z");

describe("instants", () => {
  it("are times today, dates beside them on other days, in the zone of the server", () => {
    expect(formatTime(at, at + 1000, ZONE)).toBe("09:31:05");
    expect(formatTime(at, at + 86_400_000, ZONE)).toBe("01-01 09:31");
    expect(formatTime(at - 86_400_000, at, ZONE)).toBe("2025-12-31");
    expect(formatTime(Date.parse("2026-01-01T16:30:00.000Z"), at, ZONE)).toBe("01-02 00:30");
    expect(formatInstant(at, ZONE)).toBe("2026-01-01 09:31:05");
    expect(formatInstant(NaN, ZONE)).toBe("—");
  });

  it("do without a zone that the browser does not know", () => {
    expect(formatInstant(at, "Mars/Olympus")).toMatch(/^2026-01-0/);
    expect(formatDate(at, "Mars/Olympus", "zh")).toContain("1");
  });
});

describe("spans", () => {
  it("are in their largest whole unit", () => {
    expect(formatSpan(12_900, "zh")).toBe("12 秒");
    expect(formatSpan(180_000, "zh")).toBe("3 分钟");
    expect(formatSpan(7_200_000, "en")).toBe("2 h");
    expect(formatSpan(5 * 86_400_000, "zh")).toBe("5 天");
    expect(formatSpan(NaN, "zh")).toBe("—");
  });

  it("are ages with a word, and never in the future", () => {
    expect(formatAge(12_000, "zh")).toBe("12 秒前");
    expect(formatAge(12_000, "en")).toBe("12 s ago");
    expect(formatAge(-3000, "zh")).toBe("刚刚");
  });

  it("are durations in two units", () => {
    expect(formatDuration(80 * 60_000, "zh")).toBe("1 小时 20 分");
    expect(formatDuration(3_600_000, "zh")).toBe("1 小时");
    expect(formatDuration(26 * 3_600_000, "en")).toBe("1 d 2 h");
  });
});

describe("numbers", () => {
  it.each([
    [61.199999999999996, "61.2"],
    [0.05, "0.05"],
    [0.1234567, "0.123"],
    [0.00012, "0.00012"],
    [1234.56, "1234.6"],
    [12345.67, "12,345.7"],
    [60, "60"],
    [-3.14159, "-3.14"],
    [0, "0"],
    [99.96, "100"],
    [1e-9, "1.0e-9"],
    [Infinity, "—"],
  ])("%d is %s", (value, text) => {
    expect(formatNumber(value)).toBe(text);
  });

  it("are short as counts", () => {
    expect(formatCount(3456, "zh")).toBe("3,456");
    expect(formatCount(120_034, "zh")).toBe("12万");
    expect(formatCount(12_800, "zh")).toBe("1.2万");
    expect(formatCount(120_034, "en")).toBe("120k");
    expect(formatCount(2_500_000, "en")).toBe("2.5M");
  });
});

describe("values and words", () => {
  it("take whatever comes", () => {
    expect(formatValue(null)).toBe("—");
    expect(formatValue("甲")).toBe("甲");
    expect(formatValue(true)).toBe("✓");
    expect(formatValue({ a: 1 })).toBe('{"a":1}');
  });

  it("fall back on the other language, then on a name", () => {
    expect(say({ zh: "甲", en: "A" }, "en")).toBe("A");
    expect(say({ zh: "甲" }, "en")).toBe("甲");
    expect(say(null, "zh", "env.cod")).toBe("env.cod");
  });
});
