import { computed, ref } from "vue";
import { ApiError, api } from "../api/client";
import type { Me } from "../model/types";

/** Who looks at the board: unknown until asked, `null` when nobody is signed in. */
export const me = ref<Me | null | undefined>(undefined);

/** May see what only those need who run the system: faults of rule files, alerts of rules on trial. */
export const isOps = computed(() => me.value?.role === "admin" || me.value?.role === "ops");

/** Ask who is signed in. Throws what is not about signing in. */
export async function askWho(): Promise<Me | null> {
  try {
    me.value = await api.me();
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    me.value = null;
  }
  return me.value;
}

/** A call said 401: the session has ended. */
export function sessionEnded(): void {
  me.value = null;
}

export function isSignedOut(error: unknown): boolean {
  return error instanceof ApiError && error.status === 401;
}
