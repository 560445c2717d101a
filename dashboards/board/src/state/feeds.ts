import { shallowRef } from "vue";
import { api } from "../api/client";
import type { FeedInfo } from "../model/types";

/** The feed catalogue, for the titles of fields and which are personal; asked for once, when a drawer first opens. */
export const feeds = shallowRef<Map<string, FeedInfo>>(new Map());
let asked = false;

export async function loadFeeds(): Promise<void> {
  if (asked) return;
  asked = true;
  try {
    feeds.value = await api.feeds();
  } catch {
    asked = false; // field names stand in for titles until the next drawer
  }
}
