import { ApiError, api } from "../api/client";
import type { State, Verb } from "../model/types";
import { applyTransitions } from "./board";
import { isSignedOut, sessionEnded } from "./session";

/** What a person may do with an alert in each state; anything else the server answers with a 409. */
export const ALLOWED: Record<State, readonly Verb[]> = {
  open: ["ack", "assign", "resolve", "note"],
  acked: ["assign", "resolve", "note"],
  assigned: ["assign", "resolve", "note"],
  resolved: ["reopen", "note"],
};

export function isAllowed(verb: Verb, state: State): boolean {
  return ALLOWED[state].includes(verb);
}

/** Do it, and show the alert as it then is. Throws ApiError with the server's reason. */
export async function act(id: string, verb: Verb, body: { note?: string; to?: string } = {}): Promise<void> {
  try {
    applyTransitions([await api.act(id, verb, body)]);
  } catch (error) {
    if (isSignedOut(error)) sessionEnded();
    throw error instanceof ApiError ? error : new ApiError(0, "", String(error));
  }
}
