import { describe, expect, it } from "vitest";
import { transition } from "../testing";
import { stormOf } from "./storm";

describe("a storm alert", () => {
  it("tells what it folded, and what some of it is about", () => {
    const measures = { folded: 1200, open: 800, keys: ['{"metric":"w01018","subject":"甲站"}', { subject: "乙站" }, "{broken"] } as never;
    expect(stormOf(transition({ key: { storm: "env.cod" }, measures }))).toEqual({ folded: 1200, open: 800, keys: ["w01018 甲站", "乙站", "{broken"] });
  });

  it("is no other alert", () => {
    expect(stormOf(transition())).toBeNull();
  });
});
