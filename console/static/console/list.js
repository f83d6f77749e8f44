// The list of studies asks twice before it ends them, as the page of one does.
"use strict";

document.addEventListener("submit", (event) => {
  const action = event.target.querySelector("select[name=action]")?.value;
  const ends = { complete_studies: "complete", cancel_studies: "cancel" };
  if (action in ends && !confirm(`Really ${ends[action]} the chosen studies?`)) event.preventDefault();
});
