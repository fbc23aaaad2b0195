/*
 * Areas of a page that change without a reload.
 *
 * <form data-into="ID">: the form is sent in the background and its answer is shown in the element of that id.
 * <div data-src="URL" data-follows="ID ID">: is fetched again when something starts or ends in one of those elements.
 * [data-on-failure]: is shown once the progress beside it has failed.
 * Without this script the forms work all the same, with a page for each step.
 */
(() => {
  "use strict";

  const fetchFragment = async (url, options = {}) => {
    const answer = await fetch(url, { ...options, credentials: "same-origin", headers: { "X-Fragment": "1" } });
    // Only the login page is ever redirected to: the session has ended.
    if (answer.redirected) {
      location.assign(answer.url);
      return null;
    }
    return answer;
  };

  let asked = 0;
  /** Element -> which of the answers it shows: of two the later one may come first, and need not be good. */
  const shown = new WeakMap();

  const refresh = async (id) => {
    for (const element of document.querySelectorAll("[data-follows]")) {
      if (!element.dataset.follows.split(" ").includes(id)) continue;
      const turn = (asked += 1);
      const answer = await fetchFragment(element.dataset.src);
      const text = answer?.ok ? await answer.text() : null;
      if (text === null || turn < (shown.get(element) ?? 0)) continue;
      shown.set(element, turn);
      element.innerHTML = text;
    }
  };

  const send = async (form, area) => {
    const answer = await fetchFragment(form.action, { method: "POST", body: new FormData(form) });
    if (!answer) return;
    area.innerHTML = await answer.text();
    area.tabIndex = -1;
    area.focus({ preventScroll: true });
    const address = answer.headers.get("X-Address");
    if (address) history.pushState(null, "", address);
    refresh(area.id);
  };

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    const area = document.getElementById(form.dataset.into);
    if (!area) return;
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      await send(form, area);
    } catch (error) {
      // No answer at all: let the browser say so in its own way.
      console.error(error);
      form.submit();
    } finally {
      button.disabled = false;
    }
  });

  for (const name of ["jobs-flow:done", "jobs-flow:failed"]) {
    document.addEventListener(name, ({ type, target }) => {
      const area = target.closest("[data-area]");
      if (!area) return;
      refresh(area.id);
      if (type === "jobs-flow:done") return;
      for (const element of area.querySelectorAll("[data-on-failure]")) element.hidden = false;
    });
  }

  addEventListener("popstate", () => location.reload());
})();
