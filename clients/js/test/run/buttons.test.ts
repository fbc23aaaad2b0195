// @vitest-environment jsdom
import { expect, test, vi } from "vitest";

import { Buttons } from "../../src/run/buttons.js";
import type { Offer } from "../../src/run/commands.js";
import type { Actions } from "../../src/run/context.js";

const offers = (path: string, pause: Offer["reason"]): Offer[] => [
  { command: "run", label: "run", path, reason: null },
  { command: "pause", label: "pause", path, reason: pause },
];

test("why a button cannot be used is said until it can, or another task is shown, however often it is drawn", () => {
  const ask = vi.fn();
  const buttons = new Buttons({ ask } as unknown as Actions);
  const said = () => buttons.element.querySelector("[role=status]")!.textContent;
  const draw = (path: string, pause: Offer["reason"]) => buttons.update(offers(path, pause), "Commands");
  const press = () => buttons.element.querySelector<HTMLElement>('[data-command="pause"]')!.click();

  for (const [path, reason] of [["#", null], ["#", "cancelling"], ["#.other", "idle"]] as const) {
    draw("#", "idle");
    press();
    draw("#", "idle");
    expect(said()).toBe("It is not running.");
    draw(path, reason);
    expect(said()).toBe("");
  }
  draw("#", "idle");
  press();
  buttons.update(offers("#", null).slice(0, 1), "Commands");
  expect(said()).toBe("");
  expect(ask).not.toHaveBeenCalled();
});
