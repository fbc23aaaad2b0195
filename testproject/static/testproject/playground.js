/* Tells what the instances on the page tell, and takes those off the list that were removed. */
(() => {
  "use strict";

  const told = document.getElementById("told");
  const list = document.getElementById("instances");
  /** Instance -> the status told last. */
  const known = new Map();

  const tell = (id, status, workflow) => {
    const line = document.createElement("li");
    const code = document.createElement("code");
    code.textContent = id.slice(-8);
    line.append(`${new Date().toLocaleTimeString()} ${workflow} `, code, ` ${status === "deleted" ? "was removed" : status}`);
    told.prepend(line);
    while (told.children.length > 8) told.lastChild.remove();
    document.getElementById("told-part").hidden = false;
  };

  document.addEventListener("jobs-flow:state", ({ target, detail }) => {
    const { id, status, workflow, missing } = detail;
    if (!list.contains(target)) return;
    // Also of one that nobody has seen here, or that was told: a list that was made earlier may come later.
    if (status === "deleted" || missing) target.closest("li")?.remove();
    if (!status || known.get(id) === status) return;
    // The list is made again after each change: what is only seen again is no news.
    if (known.has(id) || status === "working" || status === "deleted") tell(id, status, workflow);
    known.set(id, status);
  });
})();
