import { cleanup } from "@testing-library/react";
import { version } from "react";
import { version as versionOfDom } from "react-dom";
import { afterEach, beforeAll, beforeEach, expect, vi } from "vitest";

// Of both, the version that the project is about, wherever a package of it has its own.
beforeAll(() => {
  expect([version, versionOfDom].map((each) => each.split(".")[0])).toEqual([process.env["REACT"], process.env["REACT"]]);
});

// React says by console.error what it would throw in production, and what it only dislikes.
beforeEach(() => {
  vi.spyOn(console, "error");
});

afterEach(() => {
  cleanup();
  const said = vi.mocked(console.error).mock.calls.map((call) => call.join(" "));
  vi.restoreAllMocks();
  expect(said).toEqual([]);
});
