import type { JobState } from "@jobs-flow/client";
import { act, render, screen } from "@testing-library/react";
import { startTransition, StrictMode, useLayoutEffect, useState, type ReactNode } from "react";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { JobsProvider, useConnection, useJob, useJobs, useJobsClient, type JobId, type JobOptions, type States } from "../../src";
import { Server, settle } from "../support/server";

let server: Server;
beforeEach(() => {
  server = new Server().add("one", "load report").add("two", "load");
});
afterEach(() => server.client.close());

const inPage = (children: ReactNode) => <JobsProvider client={server.client}>{children}</JobsProvider>;

function Show({ id, options }: { id: JobId; options?: JobOptions }) {
  const state = useJob(id, options);
  return <p>{state ? `${state.id}: ${state.status} ${state.progress}` : "none"}</p>;
}

describe("useJob", () => {
  it("follows an instance from its first message on", async () => {
    render(inPage(<Show id="one" />));
    expect(screen.getByText("one: null 0")).toBeTruthy();
    await settle();
    expect(screen.getByText("one: inactive 0")).toBeTruthy();
    await server.run("one");
    expect(screen.getByText("one: done 1")).toBeTruthy();
  });

  it("watches nothing without an id, and begins with one", async () => {
    const { rerender } = render(inPage(<Show id={null} />));
    await settle();
    expect(screen.getByText("none")).toBeTruthy();
    expect(server.connections).toBe(0);
    rerender(inPage(<Show id="one" />));
    await settle();
    expect(screen.getByText("one: inactive 0")).toBeTruthy();
    rerender(inPage(<Show id={undefined} />));
    expect(screen.getByText("none")).toBeTruthy();
  });

  it("shows nothing of the one before when the id changes, and leaves that one", async () => {
    await server.run("one");
    const { rerender } = render(inPage(<Show id="one" />));
    await settle();
    rerender(inPage(<Show id="two" />));
    expect(screen.getByText("two: null 0")).toBeTruthy();
    await settle();
    expect(screen.getByText("two: inactive 0")).toBeTruthy();
    expect(server.of("unwatchWorkflowInstance").map(({ workflowId }) => workflowId)).toEqual(["one"]);
  });

  it("takes numbers, as the readme's example has them", async () => {
    server.add("1", "load");
    render(inPage(<Show id={1} />));
    await settle();
    expect(screen.getByText("1: inactive 0")).toBeTruthy();
  });

  it("asks once in strict mode, for any number of components, and no more after the last is gone", async () => {
    const { unmount } = render(<StrictMode>{inPage([<Show key="1" id="one" />, <Show key="2" id="one" />])}</StrictMode>);
    await settle();
    expect(server.of("watchWorkflowInstance")).toHaveLength(1);
    expect(server.of("unwatchWorkflowInstance")).toHaveLength(0);
    expect(screen.getAllByText("one: inactive 0")).toHaveLength(2);
    unmount();
    await settle();
    expect(server.of("unwatchWorkflowInstance")).toHaveLength(1);
  });

  it("keeps the watch when one component takes another's place", async () => {
    const { rerender } = render(inPage(<Show key="before" id="one" />));
    await settle();
    rerender(inPage(<Show key="after" id="one" />));
    // At once: what is known is known.
    expect(screen.getByText("one: inactive 0")).toBeTruthy();
    await settle();
    expect(server.of("watchWorkflowInstance")).toHaveLength(1);
    expect(server.of("unwatchWorkflowInstance")).toHaveLength(0);
  });

  it("passes its options on", async () => {
    render(inPage(<Show id="one" options={{ ticket: "signed", logs: ["#.load"], fold: 20 }} />));
    await settle();
    expect(server.of("watchWorkflowInstance")[0]).toMatchObject({ ticket: "signed", logs: ["#.load"], fold: 20 });
  });

  it("shows one moment in all components of a pass, also to those that come later", async () => {
    const commits: string[] = [];
    function Child() {
      const seq = useJob("one")?.seq;
      useLayoutEffect(() => {
        commits.push([...document.querySelectorAll("i")].map((each) => each.textContent).join(" "));
      });
      return <i>{seq}</i>;
    }
    let show: (late: boolean) => void = () => {};
    function Page() {
      const [late, setLate] = useState(false);
      show = setLate;
      return [<Child key="1" />, <Child key="2" />, late && <Child key="3" />];
    }
    render(inPage(<Page />));
    await settle();
    await server.change("one", { header: { status: "working", run: 1 } });
    await act(async () => startTransition(() => show(true)));
    await server.change("one", { statuses: { "#.load": { status: "running" } } });
    expect([...new Set(commits)]).toEqual(["0 0", "1 1", "2 2", "2 2 2", "3 3 3"]);
  });
});

describe("useJobs", () => {
  const results: States[] = [];
  function All({ ids }: { ids: JobId[] }) {
    const states = useJobs(ids);
    results.push(states);
    return <p>{Object.keys(states).map((id) => `${id} ${states[id]?.status}`).join(", ")}</p>;
  }
  beforeEach(() => {
    results.length = 0;
  });

  it("gives the same object until one of them changes, whatever list the ids come in", async () => {
    const { rerender } = render(inPage(<All ids={["one", null, "two", "one"]} />));
    await settle();
    const before = results.at(-1) as States;
    expect(screen.getByText("one inactive, two inactive")).toBeTruthy();
    rerender(inPage(<All ids={["one", "two"]} />));
    expect(results.at(-1)).toBe(before);
    await server.change("one", { header: { status: "working", run: 1 } });
    expect(results.at(-1)).not.toBe(before);
    expect(results.at(-1)?.["two"]).toBe(before["two"]);
  });

  it("keeps the watches of ids that stay", async () => {
    const { rerender } = render(inPage(<All ids={["one"]} />));
    await settle();
    rerender(inPage(<All ids={["two", "one"]} />));
    await settle();
    expect(screen.getByText("two inactive, one inactive")).toBeTruthy();
    expect(server.of("watchWorkflowInstance").map(({ workflowId }) => workflowId)).toEqual(["one", "two"]);
    expect(server.of("unwatchWorkflowInstance")).toEqual([]);
  });

  it("takes any text as an id", async () => {
    render(inPage(<All ids={["__proto__", "constructor"]} />));
    await settle();
    expect(screen.getByText("__proto__ null, constructor null")).toBeTruthy();
    expect((results.at(-1)?.["__proto__"] as JobState).missing).toBe(true);
  });
});

describe("useConnection and useJobsClient", () => {
  function Both() {
    const client = useJobsClient();
    return <p>{`${useConnection()} ${client === server.client}`}</p>;
  }

  it("say how the connection is, and give its client", async () => {
    render(inPage([<Both key="1" />, <Show key="2" id="one" />]));
    await settle();
    expect(screen.getByText("open true")).toBeTruthy();
    await server.cut();
    expect(screen.getByText("reconnecting true")).toBeTruthy();
    await server.back();
    await settle();
    expect(screen.getByText("open true")).toBeTruthy();
  });
});
