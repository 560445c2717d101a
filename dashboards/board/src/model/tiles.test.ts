import { describe, expect, it } from "vitest";
import { noCounts, type Counts } from "./filters";
import { regionName } from "./regions";
import { layTiles } from "./tiles";

const counts = (change: Partial<Counts>): Counts => ({ ...noCounts(), ...change });

describe("the tile map", () => {
  it("shows the sixteen prefectures of Yunnan, each in a place of its own", () => {
    const map = layTiles(new Map([["5301", counts({ red: 1, yellow: 2, total: 3 })]]));
    expect(map).toMatchObject({ scale: "province", province: "53" });
    expect(map.tiles).toHaveLength(16);
    expect(new Set(map.tiles.map((tile) => `${tile.column},${tile.row}`)).size).toBe(16);
    expect(map.tiles.find((tile) => tile.code === "5301")).toMatchObject({ highest: "red", level: 3 });
    expect(map.tiles.find((tile) => tile.code === "5334")).toMatchObject({ highest: null, level: 0 });
  });

  it("shows the provinces where there are several, all 34, and sums their prefectures", () => {
    const map = layTiles(
      new Map([
        ["5301", counts({ blue: 1, total: 1 })],
        ["5303", counts({ orange: 2, total: 2 })],
        ["1101", counts({ blue: 1, total: 1 })],
      ]),
    );
    expect(map.scale).toBe("country");
    expect(map.tiles).toHaveLength(34);
    expect(new Set(map.tiles.map((tile) => `${tile.column},${tile.row}`)).size).toBe(34);
    expect(map.tiles.find((tile) => tile.code === "53")?.counts).toMatchObject({ orange: 2, blue: 1, total: 3 });
  });

  it("goes into a province that the filter names", () => {
    const found = new Map([
      ["5301", counts({ blue: 1, total: 1 })],
      ["1101", counts({ blue: 1, total: 1 })],
    ]);
    expect(layTiles(found, "53")).toMatchObject({ scale: "province", province: "53" });
    expect(layTiles(found, "530102").tiles.every((tile) => tile.code.startsWith("53"))).toBe(true);
  });

  it("gives a tile to a code that it does not know, and to alerts without one", () => {
    const map = layTiles(
      new Map([
        ["5301", counts({ blue: 1, total: 1 })],
        ["9999", counts({ red: 1, total: 1 })],
        ["", counts({ yellow: 1, total: 1 })],
      ]),
    );
    expect(map.tiles.map((tile) => tile.code)).toEqual(expect.arrayContaining(["9999", ""]));
    expect(new Set(map.tiles.map((tile) => `${tile.column},${tile.row}`)).size).toBe(map.tiles.length);
    expect(regionName("9999", "zh")).toBe("9999");
  });

  it("lays out a province without a drawing in rows", () => {
    const map = layTiles(new Map(["3301", "3302", "3303", "3304", "3305", "3306"].map((code) => [code, counts({ blue: 1, total: 1 })])));
    expect(map).toMatchObject({ scale: "province", province: "33", columns: 5, rows: 2 });
  });
});

describe("names of divisions", () => {
  it("are of the narrowest division that is known", () => {
    expect(regionName("530102", "zh")).toBe("昆明");
    expect(regionName("530102001003", "en")).toBe("Kunming");
    expect(regionName("330000", "zh")).toBe("浙江");
    expect(regionName("330106", "zh")).toBe("浙江 330106");
    expect(regionName("abc", "zh")).toBe("abc");
  });
});
