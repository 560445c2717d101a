import { beforeEach, describe, expect, it, vi } from "vitest";
import { gather } from "./gather";

describe("gathering", () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 0 });
  });
  const options = { pause_ms: 100, share: 0.25, now: () => Date.now() };

  it("takes the first at once and what follows together, losing none and keeping their order", async () => {
    const turns: number[][] = [];
    const gatherer = gather<number>((items) => void turns.push(items), options);
    gatherer.add([1]);
    expect(turns).toEqual([[1]]);
    for (let i = 2; i <= 50; i++) gatherer.add([i]);
    await vi.advanceTimersByTimeAsync(99);
    expect(turns).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(turns).toHaveLength(2);
    expect(turns.flat()).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
  });

  it("pauses longer after a turn that cost much", async () => {
    const turns: number[] = [];
    const gatherer = gather<number>(async (items) => {
      turns.push(items.length);
      await new Promise((done) => setTimeout(done, 200));
    }, options);
    gatherer.add([1]);
    gatherer.add([2]);
    await vi.advanceTimersByTimeAsync(200 + 599);
    expect(turns).toEqual([1]);
    await vi.advanceTimersByTimeAsync(1);
    expect(turns).toEqual([1, 1]);
  });

  it("lets go of what waits when it is cleared", async () => {
    const turns: number[][] = [];
    const gatherer = gather<number>((items) => void turns.push(items), options);
    gatherer.add([1]);
    gatherer.add([2]);
    gatherer.clear();
    await vi.advanceTimersByTimeAsync(1000);
    gatherer.add([3]);
    expect(turns).toEqual([[1], [3]]);
  });
});
