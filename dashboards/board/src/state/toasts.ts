import { ref } from "vue";

export interface Toast {
  id: number;
  text: string;
  kind: "done" | "failed";
}

const SHOWN_MS = { done: 3000, failed: 8000 };
const MOST = 4;

export const toasts = ref<Toast[]>([]);
let next = 1;

export function toast(text: string, kind: Toast["kind"] = "done"): void {
  const id = next++;
  toasts.value = [...toasts.value, { id, text, kind }].slice(-MOST);
  setTimeout(() => dismiss(id), SHOWN_MS[kind]);
}

export function dismiss(id: number): void {
  toasts.value = toasts.value.filter((t) => t.id !== id);
}
