// Play songs right from the list, one at a time.
const audio = new Audio();
const buttons = [...document.querySelectorAll("[data-row-play]")];
let current = null;

function turn() {
  for (const button of buttons) button.classList.toggle("on", button === current && !audio.paused);
}
for (const button of buttons) {
  button.hidden = false;
  button.addEventListener("click", () => {
    if (current !== button) {
      current = button;
      audio.src = button.dataset.rowPlay;
    }
    if (audio.paused) audio.play(); else audio.pause();
  });
}
for (const name of ["play", "pause", "ended"]) audio.addEventListener(name, turn);
