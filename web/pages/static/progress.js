// Shows how the song comes along; when the job has ended, the page is asked for again.
//
// A browser opens six connections to a server at most, for all its pages together (HTTP/1.1). So no more than
// three pages hold a stream of events; the others, and those of a browser without locks, ask again and again.
const card = document.querySelector("[data-events]");
const part = (name) => card.querySelector(`[data-${name}]`);
const bar = part("bar"), stage = part("stage"), eta = part("eta"), trouble = part("trouble");
const ENDS = ["succeeded", "failed", "cancelled"];
const STREAMS = 3, EVERY = 1000;

function say(text) {
  if (stage.textContent !== text) stage.textContent = text;  // only news is read out
}

function inWords(seconds) {
  if (seconds == null) return "\u00a0";
  return seconds < 90 ? `Ready in about ${Math.max(1, Math.round(seconds))} s` : `Ready in about ${Math.round(seconds / 60)} min`;
}

function show(job) {
  trouble.hidden = true;
  if (job.state === "queued") {
    say(job.position ? `Number ${job.position} in the queue` : "Waiting for a free player");
    eta.textContent = inWords(job.eta_seconds);
  } else if (job.state === "running") {
    say(job.stage || "Composing");
    bar.value = Math.round(job.progress * 100);
    eta.textContent = inWords(job.eta_seconds);
  } else {
    if (job.state === "succeeded") { bar.value = 100; say("Ready"); }
    location.replace(location.pathname);
  }
}

// Resolves when the stream has ended for good, so that another page may have its place.
function follow() {
  return new Promise((ended) => {
    const events = new EventSource(card.dataset.events);
    events.addEventListener("open", () => { trouble.hidden = true; });
    events.addEventListener("error", () => {
      trouble.hidden = events.readyState === EventSource.OPEN;
      if (events.readyState === EventSource.CLOSED) { ask(); ended(); }
    });
    for (const name of ["queued", "running", ...ENDS]) {
      events.addEventListener(name, (event) => {
        show(JSON.parse(event.data));
        if (ENDS.includes(name)) { events.close(); ended(); }
      });
    }
  });
}

async function ask() {
  card.dataset.asks = "";
  for (;;) {
    try {
      const answer = await fetch(card.dataset.job);
      if (!answer.ok) throw new Error(answer.status);
      const job = await answer.json();
      show(job);
      if (ENDS.includes(job.state)) return;
    } catch {
      trouble.hidden = false;
    }
    await new Promise((later) => setTimeout(later, EVERY));
  }
}

async function take(place) {
  if (!navigator.locks || place === STREAMS) return ask();
  return navigator.locks.request(`tutti-events-${place}`, { ifAvailable: true },
    (lock) => lock ? follow() : void take(place + 1));
}

take(0);
