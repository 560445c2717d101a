import type { Transition } from "./types";

/** What an alert counts that stands for many of its rule. */
export interface Storm {
  /** Alerts that were folded into it so far. */
  readonly folded: number;
  /** Those of them whose condition still holds. */
  readonly open: number;
  /** What some of them are about. */
  readonly keys: readonly string[];
}

/** The storm that an alert tells of; null for an alert of its own. */
export function stormOf(alert: Transition): Storm | null {
  if (typeof alert.key.storm !== "string") return null;
  const { folded, open, keys } = alert.measures as Record<string, unknown>;
  return { folded: Number(folded ?? alert.count), open: Number(open ?? 0), keys: Array.isArray(keys) ? keys.map(keyText) : [] };
}

/** The values of a key, in its order: names of fields say little beside them. */
function keyText(key: unknown): string {
  let parsed = key;
  if (typeof key === "string" && key.startsWith("{")) {
    try {
      parsed = JSON.parse(key);
    } catch {
      return key; // as it came
    }
  }
  return parsed !== null && typeof parsed === "object" ? Object.values(parsed).map(String).join(" ") : String(parsed);
}
