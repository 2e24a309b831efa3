// Shows the server's events; when the job has ended, the page is asked for again.
const card = document.querySelector("[data-events]");
const part = (name) => card.querySelector(`[data-${name}]`);
const bar = part("bar"), stage = part("stage"), eta = part("eta"), trouble = part("trouble");
const events = new EventSource(card.dataset.events);

function say(text) {
  if (stage.textContent !== text) stage.textContent = text;  // only news is read out
}

function inWords(seconds) {
  if (seconds == null) return "\u00a0";
  return seconds < 90 ? `Ready in about ${Math.max(1, Math.round(seconds))} s` : `Ready in about ${Math.round(seconds / 60)} min`;
}

events.addEventListener("open", () => { trouble.hidden = true; });
events.addEventListener("error", () => { trouble.hidden = events.readyState === EventSource.OPEN; });
events.addEventListener("queued", (event) => {
  const job = JSON.parse(event.data);
  say(job.position ? `Number ${job.position} in the queue` : "Waiting for a free player");
  eta.textContent = inWords(job.eta_seconds);
});
events.addEventListener("running", (event) => {
  const job = JSON.parse(event.data);
  say(job.stage || "Composing");
  bar.value = Math.round(job.progress * 100);
  eta.textContent = inWords(job.eta_seconds);
});
for (const end of ["succeeded", "failed", "cancelled"]) {
  events.addEventListener(end, () => {
    events.close();
    if (end === "succeeded") { bar.value = 100; say("Ready"); }
    location.replace(location.pathname);
  });
}
