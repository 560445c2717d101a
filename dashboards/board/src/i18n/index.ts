import { watch } from "vue";
import { createI18n } from "vue-i18n";
import type { Severity } from "../model/types";
import { language } from "../state/preferences";
import { en } from "./en";
import { zh } from "./zh";

export const i18n = createI18n<false>({
  legacy: false,
  locale: language.value,
  fallbackLocale: "zh",
  messages: { zh, en },
  missingWarn: false,
  fallbackWarn: false,
});

watch(language, (word) => (i18n.global.locale.value = word));

const { te, t } = i18n.global;

/** A word of the vocabulary, or the name itself where there is none. */
function known(path: string, name: string): string {
  void i18n.global.locale.value;
  const key = `${path}.${name}`;
  return /^[\w-]+$/.test(name) && te(key) ? t(key) : name;
}

export const domainName = (name: string): string => known("domain", name);
export const measureName = (name: string): string => known("measure", name);
export const sinkName = (name: string): string => known("pulse.sink", name);
export const reasonName = (name: string): string => known("trail.reason", name);
export const severityName = (severity: Severity): string => t(`severity.${severity}`);
