import { describe, expect, it } from "vitest";
import { en } from "./en";
import { zh } from "./zh";

function paths(messages: object, prefix = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of Object.entries(messages)) {
    if (typeof value === "string") found.set(prefix + name, value);
    else for (const [path, text] of paths(value as object, `${prefix}${name}.`)) found.set(path, text);
  }
  return found;
}

describe("the two languages", () => {
  const chinese = paths(zh);
  const english = paths(en);

  it("say the same things", () => {
    expect([...english.keys()].sort()).toEqual([...chinese.keys()].sort());
  });

  it("name the same values in each", () => {
    const holes = (text: string): string[] => [...new Set([...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1]!))].sort();
    for (const [path, text] of chinese) expect([path, holes(english.get(path)!)]).toEqual([path, holes(text)]);
  });
});
