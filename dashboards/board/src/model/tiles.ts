import { noCounts, type Counts } from "./filters";
import { PROVINCE_CODES, prefecturesOf } from "./regions";
import { SEVERITIES } from "./severity";
import type { Severity } from "./types";

/**
 * A tile map: one tile a division, set roughly as they lie, drawn from codes alone. No borders are shown, so none can be wrong.
 */
export interface Tile {
  /** Division code prefix; a click filters by it. */
  readonly code: string;
  readonly column: number;
  readonly row: number;
  readonly counts: Counts;
  readonly highest: Severity | null;
  /** 0 none, 1 few, 2 some, 3 many, relative to the fullest tile. */
  readonly level: number;
}

export interface TileMap {
  readonly scale: "country" | "province";
  /** The province that is shown, at the province scale, where there is only one. */
  readonly province: string | null;
  readonly columns: number;
  readonly rows: number;
  readonly tiles: readonly Tile[];
}

const YUNNAN = ["5333 5334 5307 .... 5306", "5305 5329 5323 5301 5303", "5331 5309 5304 5325 5326", ".... 5308 5328 .... ...."];
const CHINA = [
  ".. .. .. .. .. .. .. 23",
  "65 .. .. .. 15 11 21 22",
  ".. 63 62 64 14 13 12 ..",
  ".. 54 51 61 41 37 .. ..",
  ".. .. .. 50 42 34 32 31",
  ".. .. 53 52 43 36 33 ..",
  ".. .. .. 45 44 35 71 ..",
  ".. .. .. 46 82 81 .. ..",
];
const LAYOUTS: Record<string, readonly string[]> = { "53": YUNNAN };

type Place = readonly [code: string, column: number, row: number];

function placesOf(layout: readonly string[]): Place[] {
  return layout.flatMap((line, row) =>
    line.split(" ").flatMap((code, column): Place[] => (code.startsWith(".") ? [] : [[code, column, row]])),
  );
}

export function highestOf(counts: Counts): Severity | null {
  return SEVERITIES.find((severity) => counts[severity] > 0) ?? null;
}

function add(into: Counts, counts: Counts): void {
  for (const severity of SEVERITIES) into[severity] += counts[severity];
  into.total += counts.total;
}

/**
 * Lay out the counts of four-digit prefixes. One province: its prefectures; several: the provinces, with a tile for each code
 * that has no place. `within` (a filter) chooses the province whatever is counted.
 */
export function layTiles(counts: ReadonlyMap<string, Counts>, within = ""): TileMap {
  const provinces = new Set([...counts.keys()].map((code) => code.slice(0, 2)).filter((code) => PROVINCE_CODES.includes(code)));
  const only = within.length >= 2 && PROVINCE_CODES.includes(within.slice(0, 2)) ? within.slice(0, 2) : provinces.size === 1 ? [...provinces][0]! : null;
  const digits = only ? 4 : 2;
  const totals = new Map<string, Counts>();
  for (const [code, found] of counts) {
    if (only && within && !code.startsWith(only)) continue;
    const known = PROVINCE_CODES.includes(code.slice(0, 2));
    const key = !known ? code : code.slice(0, only && !code.startsWith(only) ? 2 : digits);
    let into = totals.get(key);
    if (!into) totals.set(key, (into = noCounts()));
    add(into, found);
  }
  const places = only ? placesOf(LAYOUTS[only] ?? []) : placesOf(CHINA);
  let columns = Math.max(5, ...places.map(([, column]) => column + 1));
  if (only && places.length === 0) columns = 5;
  const placed = new Set(places.map(([code]) => code));
  const loose = [...new Set([...(only ? prefecturesOf(only) : []), ...totals.keys()])].filter((code) => !placed.has(code)).sort();
  let row = places.reduce((most, [, , r]) => Math.max(most, r + 1), 0);
  const all: Place[] = [...places];
  // What has no place stands at the end of the last row where there is room, else in rows of its own.
  const free = row === 0 ? 0 : columns - 1 - Math.max(...places.filter(([, , r]) => r === row - 1).map(([, column]) => column));
  if (loose.length <= free) loose.forEach((code, i) => all.push([code, columns - loose.length + i, row - 1]));
  else {
    loose.forEach((code, i) => all.push([code, i % columns, row + Math.floor(i / columns)]));
    row += Math.ceil(loose.length / columns);
  }
  const most = Math.max(1, ...[...totals.values()].map((c) => c.total));
  const tiles = all.map(([code, column, r]): Tile => {
    const found = totals.get(code) ?? noCounts();
    const part = found.total / most;
    const level = found.total === 0 ? 0 : part >= 0.6 ? 3 : part >= 0.2 ? 2 : 1;
    return { code, column, row: r, counts: found, highest: highestOf(found), level };
  });
  return { scale: only ? "province" : "country", province: only, columns, rows: Math.max(1, row), tiles };
}
