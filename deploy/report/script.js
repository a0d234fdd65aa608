"use strict";
(() => {
  const root = document.documentElement;
  const stored = (() => { try { return localStorage.getItem("theme"); } catch { return null; } })();
  const preferred = matchMedia("(prefers-color-scheme: dark)");
  const asked = new URLSearchParams(location.search).get("theme");
  const setTheme = (dark) => { root.dataset.theme = dark ? "dark" : "light"; draw(); };
  let view = null, bits = null, draw = () => {};

  setTheme(asked ? asked === "dark" : stored ? stored === "dark" : preferred.matches);
  document.getElementById("theme").onclick = () => {
    const dark = root.dataset.theme !== "dark";
    try { localStorage.setItem("theme", dark ? "dark" : "light"); } catch { /* private window */ }
    setTheme(dark);
  };
  if (!DATA) return;

  const canvas = document.getElementById("raster"), pen = canvas.getContext("2d");
  const choose = (id, names) => {
    const box = document.getElementById(id);
    names.forEach((name, i) => box.add(new Option(name, i)));
    return box;
  };
  const recording = choose("recording", DATA.recordings.map((r) => r.recording + (r.differs ? " (differs)" : "")));
  const layer = choose("layer", DATA.layers.map((l) => l.name + " (" + l.shape.join(" × ") + ")"));
  const shown = () => Object.fromEntries([...document.querySelectorAll("#legend input")].map((box) => [box.dataset.kind, box.checked]));
  const colour = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();

  const inflate = async (text) => {
    const raw = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };
  // The picture opens where there is something to see.
  const first = DATA.layers.findIndex((one) => one.differs);
  if (first >= 0) layer.value = first;
  const hint = document.getElementById("hint"), how = hint.textContent;
  const tell = () => {
    const { neurons, of } = DATA.layers[layer.value];
    hint.textContent = how + (neurons.length < of ? ` Drawn: ${neurons.length} of ${of} neurons, those that differ first.` : "");
  };
  const whole = () => { view = { t0: 0, t1: DATA.steps, n0: 0, n1: DATA.layers[layer.value].neurons.length }; draw(); };
  const load = async () => {
    const packed = DATA.recordings[recording.value].bits, at = 2 * layer.value;
    bits = [await inflate(packed[at]), await inflate(packed[at + 1])];
    whole(); tell();
  };

  const LEFT = 62, BOTTOM = 30, TOP = 8, RIGHT = 10;
  draw = () => {
    if (!bits || !view) return;
    const ratio = devicePixelRatio || 1, box = canvas.getBoundingClientRect();
    canvas.width = box.width * ratio; canvas.height = box.height * ratio;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const width = box.width - LEFT - RIGHT, height = box.height - BOTTOM - TOP;
    const neurons = DATA.layers[layer.value].neurons, rowBytes = Math.ceil(neurons.length / 8);
    const x = (t) => LEFT + (t - view.t0) / (view.t1 - view.t0) * width;
    const y = (n) => TOP + (n - view.n0) / (view.n1 - view.n0) * height;
    const kinds = shown(), paint = { both: colour("both"), expected: colour("expected"), found: colour("found") };
    pen.clearRect(0, 0, box.width, box.height);
    pen.save(); pen.beginPath(); pen.rect(LEFT, TOP, width, height); pen.clip();
    // What differs is painted last and never thinner than two pixels, so that it cannot vanish among the rest.
    for (const kind of ["both", "expected", "found"]) {
      if (!kinds[kind]) continue;
      pen.fillStyle = paint[kind];
      const least = kind === "both" ? .6 : 2.4;
      for (let t = Math.max(0, Math.floor(view.t0)); t < Math.min(DATA.steps, Math.ceil(view.t1)); t++) {
        for (let n = Math.max(0, Math.floor(view.n0)); n < Math.min(neurons.length, Math.ceil(view.n1)); n++) {
          const at = t * rowBytes + (n >> 3), mask = 128 >> (n & 7);
          const a = bits[0][at] & mask, b = bits[1][at] & mask;
          if (kind === "both" ? a && b : kind === "expected" ? a && !b : !a && b) {
            const w = Math.max(x(t + 1) - x(t) - 1, 1), h = Math.max((y(n + 1) - y(n)) * .86, least);
            pen.fillRect(x(t), y(n), w, h);
          }
        }
      }
    }
    pen.restore();
    pen.fillStyle = colour("soft"); pen.font = "11px system-ui, sans-serif"; pen.textAlign = "center";
    const every = Math.max(1, Math.ceil((view.t1 - view.t0) / 16));
    for (let t = Math.ceil(view.t0); t < view.t1; t += every) pen.fillText(t, x(t + .5), box.height - BOTTOM + 15);
    pen.fillText("step", LEFT + width / 2, box.height - 3);
    pen.textAlign = "right";
    const down = Math.max(1, Math.ceil((view.n1 - view.n0) / 10));
    for (let n = Math.ceil(view.n0); n < view.n1; n += down) pen.fillText(neurons[Math.min(n, neurons.length - 1)], LEFT - 6, y(n + .5) + 4);
  };

  const zoom = (factor, px, py) => {
    const box = canvas.getBoundingClientRect();
    const fx = Math.min(1, Math.max(0, (px - LEFT) / (box.width - LEFT - RIGHT))), fy = Math.min(1, Math.max(0, (py - TOP) / (box.height - TOP - BOTTOM)));
    const total = DATA.layers[layer.value].neurons.length;
    const side = (low, high, f, least, most) => {
      const span = Math.min(most, Math.max(least, (high - low) * factor)), at = low + (high - low) * f;
      const start = Math.min(most - span, Math.max(0, at - span * f));
      return [start, start + span];
    };
    [view.t0, view.t1] = side(view.t0, view.t1, fx, Math.min(2, DATA.steps), DATA.steps);
    [view.n0, view.n1] = side(view.n0, view.n1, fy, Math.min(4, total), total);
    draw();
  };
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(event.deltaY > 0 ? 1.2 : 1 / 1.2, event.offsetX, event.offsetY);
  }, { passive: false });
  let grip = null;
  canvas.onpointerdown = (event) => { grip = { x: event.offsetX, y: event.offsetY, ...view }; canvas.setPointerCapture(event.pointerId); };
  canvas.onpointerup = () => { grip = null; };
  canvas.onpointermove = (event) => {
    if (!grip) return;
    const box = canvas.getBoundingClientRect(), total = DATA.layers[layer.value].neurons.length;
    const move = (low, high, by, most) => { const d = Math.min(most - high, Math.max(-low, by)); return [low + d, high + d]; };
    [view.t0, view.t1] = move(grip.t0, grip.t1, (grip.x - event.offsetX) / (box.width - LEFT - RIGHT) * (grip.t1 - grip.t0), DATA.steps);
    [view.n0, view.n1] = move(grip.n0, grip.n1, (grip.y - event.offsetY) / (box.height - TOP - BOTTOM) * (grip.n1 - grip.n0), total);
    draw();
  };
  canvas.ondblclick = whole;
  document.getElementById("whole").onclick = whole;
  recording.onchange = load; layer.onchange = load;
  document.getElementById("legend").onchange = () => draw();
  addEventListener("resize", () => draw());
  load();
})();
