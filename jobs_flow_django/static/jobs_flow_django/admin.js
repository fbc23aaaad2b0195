/* The page of an instance at work shows it live; once the run is over, it is loaded again with all there is to see. */
"use strict";
let over = false;
document.addEventListener("jobs-flow:state", ({ detail }) => {
  if (over || !detail.status || detail.status === "working") return;
  over = true;
  location.reload();
});
