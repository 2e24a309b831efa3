// Draws a song's peaks as bars, the part already played in the accent's colour.
export function draw(canvas, peaks, share) {
  const ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const style = getComputedStyle(document.documentElement);
  const rest = style.getPropertyValue("--wave"), done = style.getPropertyValue("--accent");
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const count = Math.max(1, Math.floor(width / 5));
  for (let bar = 0; bar < count; bar++) {
    const from = Math.floor(bar * peaks.length / count);
    const to = Math.max(from + 1, Math.floor((bar + 1) * peaks.length / count));
    const high = Math.max(3, Math.max(0, ...peaks.slice(from, to)) * height);
    pen.fillStyle = (bar + 0.5) / count <= share ? done : rest;
    pen.beginPath();
    pen.roundRect(bar * 5, (height - high) / 2, 3, high, 1.5);
    pen.fill();
  }
}
