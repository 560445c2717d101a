import type { Frame, Transition } from "../model/types";

/** Where the stream is: `open` only after the server's hello. */
export type StreamState = "connecting" | "open" | "waiting" | "stopped";

export interface StreamEvents {
  transitions(transitions: Transition[]): void;
  state(state: StreamState, attempt: number): void;
  /** The server's log is shorter than what was seen: another data directory. All must be loaded anew. */
  reset(): void;
  /** Closed before a hello: perhaps the session has ended; the board asks. */
  refused(): void;
}

/** The little of WebSocket that is used, so that tests can stand in for it. */
export interface SocketLike {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  close(): void;
}

export interface StreamOptions {
  url(after: number): string;
  open?(url: string): SocketLike;
  later?(run: () => void, delay_ms: number): ReturnType<typeof setTimeout>;
  cancel?(timer: ReturnType<typeof setTimeout>): void;
  random?(): number;
}

const FIRST_DELAY_MS = 500;
const MOST_DELAY_MS = 15_000;
/** A socket that is open but says no hello for this long is given up. */
const HELLO_PATIENCE_MS = 10_000;

/** Full delay doubles with each attempt, up to a bound; half of it is chance, so that a hundred boards do not come back at once. */
export function backOff(attempt: number, random: number): number {
  const full = Math.min(MOST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.max(0, attempt - 1));
  return Math.round(full / 2 + (full / 2) * random);
}

/** Every transition after a seq, in order, over as many sockets as it takes. */
export class AlertStream {
  readonly #events: StreamEvents;
  readonly #options: Required<StreamOptions>;
  #socket: SocketLike | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #attempt = 0;
  #seq: number;
  #heard = 0;
  #stopped = false;

  constructor(after: number, options: StreamOptions, events: StreamEvents) {
    this.#seq = after;
    this.#heard = after;
    this.#events = events;
    this.#options = {
      open: (url) => new WebSocket(url) as unknown as SocketLike,
      later: (run, delay_ms) => setTimeout(run, delay_ms),
      cancel: (timer) => clearTimeout(timer),
      random: Math.random,
      ...options,
    };
  }

  /** The last seq that came; the next socket begins after it. */
  get seq(): number {
    return this.#seq;
  }

  /** The last seq that the server is known to have spoken for, in a hello or a transition. */
  get heard(): number {
    return this.#heard;
  }

  start(): void {
    this.#stopped = false;
    this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    this.#drop();
    this.#events.state("stopped", this.#attempt);
  }

  /** Give up the present socket, or the wait, and connect at once. */
  reconnect(): void {
    if (this.#stopped) return;
    this.#drop();
    this.#connect();
  }

  #drop(): void {
    if (this.#timer !== null) this.#options.cancel(this.#timer);
    this.#timer = null;
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
    try {
      socket.close();
    } catch {
      // a socket that cannot be closed is as good as closed
    }
  }

  #connect(): void {
    this.#attempt += 1;
    this.#events.state("connecting", this.#attempt);
    let socket: SocketLike;
    try {
      socket = this.#options.open(this.#options.url(this.#seq));
    } catch {
      this.#wait();
      return;
    }
    this.#socket = socket;
    let greeted = false;
    this.#timer = this.#options.later(() => {
      this.#drop();
      this.#wait();
    }, HELLO_PATIENCE_MS);
    socket.onmessage = (event) => {
      if (this.#socket !== socket) return;
      const frame = parseFrame(event.data);
      if (!frame) return;
      if ("hello" in frame) {
        greeted = true;
        this.#attempt = 0;
        if (this.#timer !== null) this.#options.cancel(this.#timer);
        this.#timer = null;
        if (frame.hello.seq < this.#seq) {
          this.stop();
          this.#events.reset();
          return;
        }
        this.#heard = Math.max(this.#heard, frame.hello.seq);
        this.#events.state("open", 0);
      } else if ("transitions" in frame) {
        for (const t of frame.transitions) if (t.seq > this.#seq) this.#seq = t.seq;
        this.#heard = Math.max(this.#heard, this.#seq);
        this.#events.transitions(frame.transitions);
      } else {
        this.#drop(); // told and cut off: come back with the last seq
        this.#wait();
      }
    };
    socket.onclose = () => {
      if (this.#socket !== socket) return;
      this.#drop();
      if (!greeted) this.#events.refused();
      if (!this.#stopped) this.#wait();
    };
    socket.onerror = () => undefined; // a close follows
  }

  #wait(): void {
    const delay_ms = backOff(this.#attempt, this.#options.random());
    this.#events.state("waiting", this.#attempt);
    this.#timer = this.#options.later(() => {
      this.#timer = null;
      this.#connect();
    }, delay_ms);
  }
}

export function parseFrame(data: unknown): Frame | null {
  if (typeof data !== "string") return null;
  try {
    const frame = JSON.parse(data) as Frame;
    if (typeof frame !== "object" || frame === null) return null;
    if ("hello" in frame || "bye" in frame) return frame;
    if ("transitions" in frame && Array.isArray(frame.transitions)) return frame;
    return null;
  } catch {
    return null;
  }
}
