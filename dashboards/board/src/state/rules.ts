import { shallowReactive } from "vue";
import { api } from "../api/client";
import type { RuleInfo } from "../model/types";

/** Rules that a drawer has shown, for the standard that each cites; asked for one at a time. */
const rules = shallowReactive(new Map<string, RuleInfo | null>());
const MOST = 500;

export function ruleOf(id: string): RuleInfo | null {
  return rules.get(id) ?? null;
}

export async function loadRule(id: string): Promise<void> {
  if (rules.has(id)) return;
  if (rules.size >= MOST) rules.clear();
  rules.set(id, null);
  try {
    const page = await api.rules({ rule: id });
    const found = page.items.find((rule) => rule.id === id);
    if (found) rules.set(id, found);
  } catch {
    rules.delete(id); // the next drawer asks again
  }
}
