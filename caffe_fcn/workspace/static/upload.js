// Uploads: how far they are, and what is wrong with them, without leaving the page.
"use strict";

for (const form of document.querySelectorAll("[data-upload]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const bar = form.querySelector("progress");
    const wrong = form.querySelector("[role=alert]");
    const button = form.querySelector("button");
    const content = new FormData(form);
    for (const name of ["archive", "images", "labels"]) {
      const kept = content.getAll(name).filter((file) => file.name);
      content.delete(name);
      for (const file of kept) content.append(name, file);
    }
    const request = new XMLHttpRequest();
    const fail = (text) => {
      wrong.textContent = text;
      wrong.hidden = false;
      bar.hidden = true;
      button.disabled = false;
    };
    request.open("POST", form.action);
    request.setRequestHeader("accept", "application/json");
    request.setRequestHeader("x-csrf-token", csrf);
    request.upload.addEventListener("progress", (step) => { bar.value = step.total ? step.loaded / step.total : 0; });
    request.addEventListener("error", () => fail("The connection broke off."));
    request.addEventListener("load", () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* a page: its text is not shown */ }
      if (request.status < 300 && answer.address) location.assign(answer.address);
      else if (answer.error) fail(`${answer.error.where}: ${answer.error.what}${answer.error.mend ? ` (${answer.error.mend})` : ""}`);
      else fail(new DOMParser().parseFromString(request.responseText, "text/html").querySelector(".problem")?.textContent || `The server answered with status ${request.status}.`);
    });
    wrong.hidden = true;
    bar.hidden = false;
    button.disabled = true;
    request.send(content);
  });
}
