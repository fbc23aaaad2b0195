/** The page of the React components: mounts them where the template has the place for it. */
import "@jobs-flow/react/jobs-flow.css";
import "./page.css";

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { Page } from "./page";

const place = document.getElementById("react-page");
if (place) {
  const { instance, files = "", latest, start = "", csrf = "" } = place.dataset;
  createRoot(place).render(
    <StrictMode>
      <Page
        instance={instance || null}
        latest={latest ? latest.split(" ") : []}
        filesOf={(id) => files.replace("INSTANCE", id)}
        send={async (fields) => {
          const headers = { "X-CSRFToken": csrf, Accept: "application/json" };
          const answer = await fetch(start, { method: "POST", body: fields, headers, redirect: "error" });
          const { id, message } = (await answer.json()) as { id?: string; message?: string };
          if (!id) throw new Error(message ?? `The server answered ${answer.status}.`);
          return id;
        }}
      />
    </StrictMode>,
  );
}
