import { describe, expect, it } from "vitest";
import { transition } from "../testing";
import { DEFAULT_FILTERS, STATES, isDefault, look, parseFilters, serverQuery, writeFilters, type Filters } from "./filters";

const with_ = (change: Partial<Filters>): Filters => ({ ...DEFAULT_FILTERS, ...change });
const roundTrip = (filters: Filters): Filters => parseFilters(new URLSearchParams(writeFilters(filters, new URLSearchParams()).toString()));

describe("filters in the address", () => {
  it("come back as they were written", () => {
    for (const filters of [
      DEFAULT_FILTERS,
      with_({ severities: ["red", "yellow"], states: ["acked"], domain: "market", region: "5301", condition: "cleared", text: "甲 & 乙 #1", sort: "time" }),
      with_({ states: STATES, rule: "env.cod", subject: "91530100MA6K%=" }),
    ]) {
      expect(roundTrip(filters)).toEqual(filters);
    }
  });

  it("are not written where they are the default, and keep what else the address says", () => {
    expect(writeFilters(DEFAULT_FILTERS, new URLSearchParams("wall=1&severity=red")).toString()).toBe("wall=1");
    expect(isDefault(with_({ sort: "time" }))).toBe(true);
    expect(isDefault(with_({ region: "53" }))).toBe(false);
  });

  it("leave out what they do not know", () => {
    expect(parseFilters(new URLSearchParams("severity=purple,red&state=weird&condition=maybe&sort=up"))).toEqual(with_({ severities: ["red"] }));
  });

  it("ask the server for what it can narrow by", () => {
    expect(serverQuery(with_({ severities: ["red", "orange"], region: "53", text: "x" }))).toEqual({ severity: "red,orange", region: "53" });
  });
});

describe("a look through filters", () => {
  const alerts = [
    transition({ alert: "1", severity: "red", domain: "environment", region: "530102" }),
    transition({ alert: "2", severity: "blue", domain: "market", region: "530302", state: "acked" }),
    transition({ alert: "3", severity: "orange", domain: "market", region: null, state: "resolved", condition: "cleared" }),
    transition({ alert: "4", severity: "orange", domain: "market", region: "530111", subject: "Zhong Hua 超市", key: {}, summary: { zh: "四件投诉", en: "4" } }),
  ];
  const ids = (change: Partial<Filters>): string[] => look(alerts, with_(change)).alerts.map((a) => a.alert);

  it("shows what still wants somebody, red first", () => {
    expect(ids({})).toEqual(["1", "4", "2"]);
  });

  it("narrows by each side", () => {
    expect(ids({ severities: ["orange"] })).toEqual(["4"]);
    expect(ids({ states: ["resolved"] })).toEqual(["3"]);
    expect(ids({ domain: "market" })).toEqual(["4", "2"]);
    expect(ids({ region: "5301" })).toEqual(["1", "4"]);
    expect(ids({ condition: "cleared", states: STATES })).toEqual(["3"]);
    expect(ids({ subject: "甲站" })).toEqual(["1", "2"]);
  });

  it("finds by all words of a search, in any case, in names and divisions", () => {
    expect(ids({ text: "zhong 超市" })).toEqual(["4"]);
    expect(ids({ text: "曲靖" })).toEqual(["2"]);
    expect(ids({ text: "kunming 投诉" })).toEqual(["4"]);
    expect(ids({ text: "超市 没有" })).toEqual([]);
  });

  it("counts beside each choice what it would hold if only that were changed", () => {
    const view = look(alerts, with_({ severities: ["red"], domain: "environment" }));
    expect(view.alerts.map((a) => a.alert)).toEqual(["1"]);
    expect(view.severity).toMatchObject({ red: 1, orange: 0, blue: 0, total: 1 });
    expect(view.domain.get("market")).toBeUndefined();
    expect(look(alerts, with_({ domain: "market" })).severity).toMatchObject({ red: 0, orange: 1, blue: 1, total: 2 });
    expect(look(alerts, with_({ domain: "market" })).domain.get("environment")?.red).toBe(1);
    expect(look(alerts, with_({})).state).toEqual({ open: 2, acked: 1, assigned: 0, resolved: 1 });
    expect([...look(alerts, with_({})).region.keys()].sort()).toEqual(["5301", "5303"]);
  });
});

describe("alerts on trial", () => {
  it("are listed, and counted nowhere", () => {
    const alerts = [transition({ alert: "a" }), transition({ alert: "b", shadow: true })];
    const view = look(alerts, DEFAULT_FILTERS);
    expect(view.alerts.map((alert) => alert.alert)).toEqual(expect.arrayContaining(["a", "b"]));
    expect(view.severity.total).toBe(1);
    expect(view.state.open).toBe(1);
    expect(view.region.get("5301")?.total).toBe(1);
  });
});
