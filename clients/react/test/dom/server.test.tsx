import { act } from "@testing-library/react";
import { hydrateRoot } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { afterEach, describe, expect, it, vi } from "vitest";

import { Jobify, JobsProvider, Progress, Progression, useConnection, useJobsClient, Workflow } from "../../src";
import { Server, settle } from "../support/server";

const server = new Server().add("one", "load report");
afterEach(() => server.client.close());

function Connected() {
  useJobsClient();
  return <i>{useConnection()}</i>;
}

const page = (
  <JobsProvider client={server.client}>
    <Jobify jobId="one" component={<p>form</p>} />
    <Progress jobId="one" />
    <Progression ids={["one"]}>{({ workflows }) => <b>{workflows["one"]?.progression}</b>}</Progression>
    <Workflow jobId="one" />
    <Connected />
  </JobsProvider>
);

describe("a page from a server", () => {
  it("shows that nothing is known yet, connects to nothing, and is taken over by the browser", async () => {
    const { document } = globalThis;
    vi.stubGlobal("document", undefined);
    const html = renderToString(page);
    vi.unstubAllGlobals();
    expect(html).toContain("Loading…");
    expect(html).toContain("<b>0</b>");
    expect(html).toContain("<i>closed</i>");
    expect(server.connections).toBe(0);

    const place = document.body.appendChild(document.createElement("div"));
    place.innerHTML = html;
    const root = await act(async () => hydrateRoot(place, page));
    await settle();
    await server.run("one");
    expect(place.textContent).toContain("2 of 2 tasks");
    expect(place.textContent).toContain("form");
    await act(async () => root.unmount());
    place.remove();
  });
});
