// The list of studies asks for a confirmation before it completes or cancels studies.
"use strict";

const CONFIRMATIONS = {
  complete_studies: "Complete the selected studies?",
  cancel_studies: "Cancel the selected studies? Cancelled studies cannot be resumed.",
};

document.addEventListener("submit", (event) => {
  const action = event.target.querySelector("select[name=action]")?.value;
  if (action in CONFIRMATIONS && !confirm(CONFIRMATIONS[action])) event.preventDefault();
});
