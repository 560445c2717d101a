import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Transition } from "../model/types";
import { transition } from "../testing";
import { AlertStream, backOff, parseFrame, type SocketLike, type StreamState } from "./stream";

class FakeSocket implements SocketLike {
  onopen: SocketLike["onopen"] = null;
  onmessage: SocketLike["onmessage"] = null;
  onclose: SocketLike["onclose"] = null;
  onerror: SocketLike["onerror"] = null;
  closed = false;
  constructor(readonly url: string) {}
  close(): void {
    this.closed = true;
  }
  say(frame: unknown): void {
    this.onmessage?.({ data: typeof frame === "string" ? frame : JSON.stringify(frame) });
  }
  cut(): void {
    this.onclose?.(undefined as never);
  }
}

let sockets: FakeSocket[];
let seen: Transition[];
let states: StreamState[];
let resets: number;
let refusals: number;

function start(after: number): AlertStream {
  const stream = new AlertStream(
    after,
    { url: (seq) => `ws://x/?after=${seq}`, open: (url) => (sockets.push(new FakeSocket(url)), sockets.at(-1)!), random: () => 1 },
    {
      transitions: (list) => seen.push(...list),
      state: (state) => states.push(state),
      reset: () => (resets += 1),
      refused: () => (refusals += 1),
    },
  );
  stream.start();
  return stream;
}

beforeEach(() => {
  vi.useFakeTimers();
  sockets = [];
  seen = [];
  states = [];
  resets = refusals = 0;
});

describe("the alert stream", () => {
  it("begins after the seq of the page load, and goes on after the last one it saw", () => {
    start(17);
    expect(sockets[0]!.url).toBe("ws://x/?after=17");
    sockets[0]!.say({ hello: { seq: 20 } });
    sockets[0]!.say({ transitions: [transition({ seq: 18 }), transition({ seq: 20 })] });
    sockets[0]!.cut();
    vi.advanceTimersByTime(500);
    expect(sockets[1]!.url).toBe("ws://x/?after=20");
    expect(seen.map((t) => t.seq)).toEqual([18, 20]);
    expect(states).toEqual(["connecting", "open", "waiting", "connecting"]);
    expect(refusals).toBe(0);
  });

  it("waits longer with each failure, and not at all longer after a hello", () => {
    start(0);
    sockets[0]!.cut();
    vi.advanceTimersByTime(499);
    expect(sockets).toHaveLength(1);
    vi.advanceTimersByTime(1);
    sockets[1]!.cut();
    vi.advanceTimersByTime(999);
    expect(sockets).toHaveLength(2);
    vi.advanceTimersByTime(1);
    expect(sockets).toHaveLength(3);
    expect(refusals).toBe(2);
    sockets[2]!.say({ hello: { seq: 0 } });
    sockets[2]!.cut();
    vi.advanceTimersByTime(500);
    expect(sockets).toHaveLength(4);
  });

  it("comes back after a bye", () => {
    start(0);
    sockets[0]!.say({ hello: { seq: 5 } });
    sockets[0]!.say({ transitions: [transition({ seq: 5 })] });
    sockets[0]!.say({ bye: "too slow" });
    expect(sockets[0]!.closed).toBe(true);
    vi.advanceTimersByTime(500);
    expect(sockets[1]!.url).toBe("ws://x/?after=5");
  });

  it("gives up a socket that says no hello", () => {
    start(0);
    vi.advanceTimersByTime(10_000);
    expect(sockets[0]!.closed).toBe(true);
    vi.advanceTimersByTime(500);
    expect(sockets).toHaveLength(2);
  });

  it("asks for a fresh start where the log is shorter than what was seen", () => {
    start(100);
    sockets[0]!.say({ hello: { seq: 3 } });
    expect(resets).toBe(1);
    expect(sockets[0]!.closed).toBe(true);
    vi.advanceTimersByTime(60_000);
    expect(sockets).toHaveLength(1);
  });

  it("hears nothing of a socket that it left, and stays away once stopped", () => {
    const stream = start(0);
    const old = sockets[0]!;
    const hear = old.onmessage!;
    stream.reconnect();
    hear({ data: JSON.stringify({ transitions: [transition({ seq: 9 })] }) });
    expect(seen).toEqual([]);
    expect(stream.seq).toBe(0);
    stream.stop();
    vi.advanceTimersByTime(60_000);
    expect(sockets).toHaveLength(2);
  });
});

describe("frames and back-off", () => {
  it("pass over what is no frame", () => {
    for (const text of ["", "nonsense", "null", "[]", '{"transitions": 3}', "{}"]) expect(parseFrame(text)).toBeNull();
    expect(parseFrame(new ArrayBuffer(1))).toBeNull();
  });

  it("stay within half and the whole of a bounded, doubling delay", () => {
    expect([1, 2, 3, 9].map((n) => backOff(n, 1))).toEqual([500, 1000, 2000, 15_000]);
    expect(backOff(1, 0)).toBe(250);
  });
});
