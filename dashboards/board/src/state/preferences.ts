import { computed, ref, watchEffect } from "vue";
import type { Language } from "../format/time";
import { parameter, setParameter } from "./address";

/** Language and theme: the address wins (a wall is set up by its link), then what this browser chose before, then its own. */

export type Theme = "dark" | "light";

const LANGUAGE = "fengsui.lang";
const THEME = "fengsui.theme";

function recall(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null; // storage is switched off: nothing is remembered
  }
}

function remember(name: string, value: string): void {
  try {
    localStorage.setItem(name, value);
  } catch {
    // as above
  }
}

function asLanguage(word: string | null): Language | null {
  if (!word) return null;
  return word.toLowerCase().startsWith("en") ? "en" : word.toLowerCase().startsWith("zh") ? "zh" : null;
}

const storedLanguage = ref(asLanguage(recall(LANGUAGE)));
export const language = computed<Language>(() => asLanguage(parameter("lang")) ?? storedLanguage.value ?? "zh");

export function setLanguage(word: Language): void {
  storedLanguage.value = word;
  remember(LANGUAGE, word);
  if (parameter("lang") !== null) setParameter("lang", word);
}

function asTheme(word: string | null): Theme | null {
  return word === "dark" || word === "light" ? word : null;
}

const prefersLight = matchMedia("(prefers-color-scheme: light)");
const systemTheme = ref<Theme>(prefersLight.matches ? "light" : "dark");
prefersLight.addEventListener("change", (event) => (systemTheme.value = event.matches ? "light" : "dark"));
const storedTheme = ref(asTheme(recall(THEME)));
export const theme = computed<Theme>(() => asTheme(parameter("theme")) ?? storedTheme.value ?? systemTheme.value);

export function setTheme(word: Theme): void {
  storedTheme.value = word;
  remember(THEME, word);
  if (parameter("theme") !== null) setParameter("theme", word);
}

watchEffect(() => {
  document.documentElement.dataset.theme = theme.value;
});
watchEffect(() => {
  document.documentElement.lang = language.value === "zh" ? "zh-CN" : "en";
});
