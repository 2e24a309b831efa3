// The form's comforts. Without this script the form works all the same.
const form = document.querySelector("[data-compose]");
const field = (name) => form.elements.namedItem(name);

function clock(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

for (const counter of form.querySelectorAll("[data-count]")) {
  const input = field(counter.dataset.count), max = Number(counter.dataset.max);
  const count = () => {
    const length = [...input.value.trim()].length;
    counter.textContent = `${length.toLocaleString("en")} / ${max.toLocaleString("en")}`;
    counter.classList.toggle("full", length > max * 0.95);
  };
  input.addEventListener("input", count);
  count();
}

for (const chip of form.querySelectorAll("[data-example]")) {
  chip.setAttribute("role", "button");
  const take = (event) => {
    event.preventDefault();
    field("prompt").value = chip.dataset.example;
    field("prompt").dispatchEvent(new Event("input"));
    field("prompt").focus();
  };
  chip.addEventListener("click", take);
  chip.addEventListener("keydown", (event) => { if (event.key === " ") take(event); });
}

const slider = form.querySelector("[data-slider]"), number = field("duration");
const shown = form.querySelector("[data-duration]");
const show = () => { shown.textContent = clock(Number(number.value) || 0); };
slider.hidden = shown.hidden = false;
slider.addEventListener("input", () => { number.value = slider.value; show(); });
number.addEventListener("input", () => { slider.value = number.value; show(); });
show();

const dice = form.querySelector("[data-dice]");
dice.hidden = false;
dice.addEventListener("click", () => { field("seed").value = crypto.getRandomValues(new Uint32Array(1))[0]; });

form.querySelector("[data-keys]").hidden = false;
form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
// One song for a double click; the button is live again when the browser comes back to the page.
const submit = form.querySelector("[data-submit]");
form.addEventListener("submit", () => { submit.disabled = true; submit.textContent = "Sending ..."; });
addEventListener("pageshow", () => { submit.disabled = false; submit.textContent = "Make the song"; });
document.querySelector("[data-focus]")?.focus();
