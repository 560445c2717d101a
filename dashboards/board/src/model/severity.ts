import type { Severity } from "./types";

/** Highest first, as on every page. */
export const SEVERITIES: readonly Severity[] = ["red", "orange", "yellow", "blue"];

const RANK: Record<Severity, number> = { red: 4, orange: 3, yellow: 2, blue: 1 };

/** red = 4 ... blue = 1; anything unknown = 0. */
export function rank(severity: string | null | undefined): number {
  return RANK[severity as Severity] ?? 0;
}

export function isSeverity(word: unknown): word is Severity {
  return typeof word === "string" && word in RANK;
}

/** The warning's character, the same in every language: it is a mark as the colour is. */
export const CHARACTER: Record<Severity, string> = { red: "红", orange: "橙", yellow: "黄", blue: "蓝" };
export const LETTER: Record<Severity, string> = { red: "R", orange: "O", yellow: "Y", blue: "B" };
