import type { Words } from "../model/types";
import type { Language } from "./time";

/** The words in the reader's language, else in the other, else the fallback. */
export function say(words: Partial<Words> | null | undefined, language: Language, fallback = ""): string {
  if (!words) return fallback;
  return words[language] || words[language === "zh" ? "en" : "zh"] || fallback;
}
