// A player with the song's waveform. The browser's own player stays where this script does not run.
import { draw } from "./wave.js";

function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

async function peaksOf(address) {
  try {
    const answer = await fetch(address);
    return answer.ok ? (await answer.json()).peaks : [];
  } catch {
    return [];
  }
}

async function equip(card) {
  const part = (name) => card.querySelector(`[data-${name}]`);
  const audio = card.querySelector("audio"), seek = part("seek"), play = part("play"), canvas = part("wave");
  const length = Number(audio.dataset.seconds);
  let peaks = [];
  const show = () => {
    draw(canvas, peaks, length ? audio.currentTime / length : 0);
    seek.value = audio.currentTime;
    seek.setAttribute("aria-valuetext", `${clock(audio.currentTime)} of ${clock(length)}`);
    part("now").textContent = clock(audio.currentTime);
  };
  const turn = () => {
    card.classList.toggle("playing", !audio.paused);
    play.setAttribute("aria-label", audio.paused ? "Play" : "Pause");
    if (!audio.paused) requestAnimationFrame(function next() { show(); if (!audio.paused) requestAnimationFrame(next); });
  };
  play.addEventListener("click", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
    if (audio.paused) audio.play(); else audio.pause();
  });
  seek.addEventListener("input", () => { audio.currentTime = Number(seek.value); show(); });
  for (const name of ["play", "pause", "ended"]) audio.addEventListener(name, turn);
  for (const name of ["seeked", "timeupdate"]) audio.addEventListener(name, show);
  audio.controls = false;
  audio.hidden = true;
  card.querySelector(".deck").hidden = false;
  new ResizeObserver(show).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  peaks = await peaksOf(card.dataset.peaks);
  show();
  card.dataset.ready = "";
}

document.querySelectorAll("[data-player]").forEach(equip);
