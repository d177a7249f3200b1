// The timeline in the hands of who looks at it: mouse, touch and keys.

function barAt(x, y) {
  const row = rowAt(y - AXIS + timeline.scroller.scrollTop);
  if (y < AXIS || row < 0 || row >= timeline.rows.length) return null;
  if (x < timeline.gutter) return timeline.mode === "task" ? timeline.bars[timeline.offsets[row]] : null;
  let nearest = null;
  let distance = 6; // pixels beside a small bar count as well
  for (let place = firstVisible(row); place < timeline.offsets[row + 1]; place++) {
    const bar = timeline.bars[place];
    const from = toX(bar.start);
    if (from > x + distance) break;
    const away = Math.max(from - x, x - toX(bar.end), 0);
    if (away < distance || away === 0) {
      nearest = bar;
      distance = away;
    }
  }
  return nearest;
}

function barText(bar) {
  const last = bar.kind === ROLLBACK ? "rollback" : bar.kind === RETRIED ? "failed, tried again" : KINDS[bar.kind];
  const number = countOfAttempts(bar.task) > 1 && bar.kind !== ROLLBACK ? `attempt ${bar.index + 1}, ` : "";
  const took = bar.took < 0 ? "not over" : seconds(bar.took);
  return `${number}${last}, ${took} from +${seconds(bar.start)}, ${data.workers[bar.worker]}`;
}

const tip = byId("tip");
function showTip(bar, x, y) {
  tip.hidden = !bar;
  if (!bar) return;
  const waits = bar.index === 0 && bar.kind !== ROLLBACK ? waited(bar.task) : 0;
  tip.replaceChildren(
    element("b", {}, data.names[bar.task]),
    element("div", {}, barText(bar)),
    waits > 0 ? element("div", {}, `waited ${seconds(waits)} after its last dependency`) : "",
    critical.has(bar.task) ? element("div", { class: "critical" }, "on the critical path") : "",
    bar.error || data.failures[bar.task] ? element("div", { class: "message" }, (bar.error || data.messages[data.failures[bar.task][0]]).slice(0, 200)) : "",
  );
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(Math.min(x + 14, innerWidth - box.width - 8), 8)}px`;
  tip.style.top = `${y + 18 + box.height > innerHeight ? Math.max(y - box.height - 12, 8) : y + 18}px`;
}

function hover(bar, x = 0, y = 0) {
  if (timeline.hovered !== bar) {
    timeline.hovered = bar;
    timeline.scroller.classList.toggle("over-bar", Boolean(bar));
    drawTimeline();
  }
  showTip(bar, x, y);
}

/** Make a bar the one that the keyboard is at, and say what it is. */
function focusBar(bar) {
  if (!bar) return;
  timeline.focused = bar;
  reveal(bar);
  byId("timeline-said").textContent = `${data.names[bar.task]}: ${barText(bar)}`;
  const box = timeline.scroller.getBoundingClientRect();
  showTip(bar, box.left + Math.max(toX(bar.start), timeline.gutter), box.top + yOf(bar.row) + heightOf(bar.row) - 12);
}

/** Scroll and pan so that a bar is seen. */
function reveal(bar) {
  const top = timeline.tops[bar.row];
  const room = timeline.height - AXIS - heightOf(bar.row);
  if (top < timeline.scroller.scrollTop) timeline.scroller.scrollTop = top;
  else if (top > timeline.scroller.scrollTop + room) timeline.scroller.scrollTop = top - room + 4;
  const span = timeline.end - timeline.start;
  if (bar.end < timeline.start || bar.start > timeline.end) {
    setView((bar.start + bar.end) / 2 - span / 2, (bar.start + bar.end) / 2 + span / 2);
  }
  drawTimeline();
}

function revealInTimeline(task) {
  const bar = barsOf(task)[0];
  if (!bar) return;
  const wide = Math.max((bar.end - bar.start) * 12, END / 200, 50);
  if (timeline.end - timeline.start > wide * 4) setView((bar.start + bar.end) / 2 - wide / 2, (bar.start + bar.end) / 2 + wide / 2);
  timeline.scroller.focus({ preventScroll: true });
  focusBar(bar);
}

function neighbour(bar, step) {
  if (!bar) return timeline.bars[0];
  const place = timeline.bars.indexOf(bar) + step;
  const other = timeline.bars[place];
  return other && other.row === bar.row ? other : bar;
}

function inRow(bar, step) {
  if (!bar) return timeline.bars[0];
  const row = Math.min(Math.max(bar.row + step, 0), timeline.rows.length - 1);
  const bars = timeline.bars.slice(timeline.offsets[row], timeline.offsets[row + 1]);
  const middle = (bar.start + bar.end) / 2;
  return bars.reduce((best, other) => (Math.abs(other.start - middle) < Math.abs(best.start - middle) ? other : best), bars[0]);
}

timeline.scroller.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const span = timeline.end - timeline.start;
  const bar = timeline.focused;
  const actions = {
    ArrowRight: () => (event.shiftKey ? setView(timeline.start + span / 5, timeline.end + span / 5) : focusBar(neighbour(bar, 1))),
    ArrowLeft: () => (event.shiftKey ? setView(timeline.start - span / 5, timeline.end - span / 5) : focusBar(neighbour(bar, -1))),
    ArrowDown: () => focusBar(inRow(bar, 1)),
    ArrowUp: () => focusBar(inRow(bar, -1)),
    PageDown: () => focusBar(inRow(bar, 10)),
    PageUp: () => focusBar(inRow(bar, -10)),
    "+": () => zoom(1.6, bar ? (bar.start + bar.end) / 2 : undefined),
    "=": () => zoom(1.6, bar ? (bar.start + bar.end) / 2 : undefined),
    "-": () => zoom(1 / 1.6),
    0: () => setView(0, END),
    Home: () => setView(0, span),
    End: () => setView(END - span, END),
    Enter: () => bar && select(bar.task, "keyboard"),
    " ": () => bar && select(bar.task, "keyboard"),
  };
  if (!(event.key in actions)) return;
  event.preventDefault();
  actions[event.key]();
});
timeline.scroller.addEventListener("blur", () => {
  timeline.focused = null;
  hover(null);
  drawTimeline();
});
timeline.scroller.addEventListener("scroll", () => {
  if (!timeline.focused) hover(null);
  drawTimeline();
}, { passive: true });

timeline.scroller.addEventListener("wheel", (event) => {
  const isZoom = event.ctrlKey || event.metaKey;
  const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
  const isPan = !isZoom && Math.abs(sideways) > (event.shiftKey ? 0 : Math.abs(event.deltaY));
  if (!isZoom && !isPan) return; // the rows scroll, or the page
  event.preventDefault();
  const x = event.clientX - timeline.scroller.getBoundingClientRect().left;
  if (isZoom) zoom(Math.exp(-event.deltaY / 300), toMoment(x));
  else {
    const shift = (sideways * (timeline.end - timeline.start)) / (timeline.width - timeline.gutter);
    setView(timeline.start + shift, timeline.end + shift);
  }
}, { passive: false });

/** Pointers that are down, where they are; one pans, two zoom. */
const pointers = new Map();
let grip = null; // what was seen when it began
function takeGrip() {
  const xs = [...pointers.values()].map((pointer) => pointer.x);
  grip = { start: timeline.start, end: timeline.end, xs, moments: xs.map(toMoment), isMoved: grip?.isMoved ?? false };
}
timeline.canvas.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  const box = timeline.scroller.getBoundingClientRect();
  if (!pointers.size) grip = null;
  pointers.set(event.pointerId, { x: event.clientX - box.left, y: event.clientY - box.top });
  takeGrip();
});
timeline.canvas.addEventListener("pointermove", (event) => {
  const box = timeline.scroller.getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  const pointer = pointers.get(event.pointerId);
  if (!pointer) {
    if (event.pointerType === "mouse") hover(barAt(x, y), event.clientX, event.clientY);
    return;
  }
  if (Math.abs(x - grip.xs[[...pointers.keys()].indexOf(event.pointerId)]) > 4) {
    grip.isMoved = true;
    timeline.canvas.setPointerCapture(event.pointerId);
  }
  Object.assign(pointer, { x, y });
  if (!grip.isMoved) return;
  hover(null);
  const xs = [...pointers.values()].map((each) => each.x);
  const room = timeline.width - timeline.gutter;
  if (xs.length === 1) {
    const shift = ((grip.xs[0] - xs[0]) * (grip.end - grip.start)) / room;
    setView(grip.start + shift, grip.end + shift);
  } else if (Math.abs(xs[0] - xs[1]) > 10) {
    const scale = (grip.moments[1] - grip.moments[0]) / (xs[1] - xs[0]); // per pixel
    const start = grip.moments[0] - (xs[0] - timeline.gutter) * scale;
    if (scale > 0) setView(start, start + room * scale);
  }
});
function letGo(event) {
  if (!pointers.delete(event.pointerId)) return;
  if (pointers.size) takeGrip();
  else if (event.type === "pointerup" && !grip.isMoved) {
    const box = timeline.scroller.getBoundingClientRect();
    const bar = barAt(event.clientX - box.left, event.clientY - box.top);
    if (bar) {
      timeline.focused = null;
      select(bar.task, "timeline");
    }
  }
}
timeline.canvas.addEventListener("pointerup", letGo);
timeline.canvas.addEventListener("pointercancel", letGo);
timeline.canvas.addEventListener("pointerleave", () => hover(null));
timeline.canvas.addEventListener("dblclick", (event) => {
  zoom(2, toMoment(event.clientX - timeline.scroller.getBoundingClientRect().left));
});

function moveStrip(event) {
  if (event.type === "pointermove" && !event.buttons) return;
  const box = timeline.strip.getBoundingClientRect();
  const share = (event.clientX - box.left - timeline.gutter) / (timeline.width - timeline.gutter);
  const half = (timeline.end - timeline.start) / 2;
  setView(share * END - half, share * END + half);
}
timeline.strip.addEventListener("pointerdown", moveStrip);
timeline.strip.addEventListener("pointermove", moveStrip);

byId("zoom-in").addEventListener("click", () => zoom(2));
byId("zoom-out").addEventListener("click", () => zoom(0.5));
byId("zoom-fit").addEventListener("click", () => setView(0, END));

function setMode(mode) {
  timeline.mode = mode;
  for (const button of document.querySelectorAll("#modes button")) {
    button.setAttribute("aria-pressed", button.dataset.mode === mode);
  }
  timeline.focused = timeline.hovered = null;
  layRows();
  timeline.scroller.scrollTop = 0;
  resizeTimeline();
}
for (const button of document.querySelectorAll("#modes button")) {
  button.addEventListener("click", () => setMode(button.dataset.mode));
}

selection.listeners.push((task, origin) => {
  if (task >= 0 && origin !== "timeline" && timeline.width) {
    const [bar] = barsOf(task);
    if (bar) reveal(bar);
  }
  drawTimeline();
});

/** Write down the critical path as a list, with what each task took of the run. */
function listCriticalPath() {
  const list = byId("critical-list");
  for (const task of data.critical.slice(0, 300)) {
    const took = element("span", { class: "bar" });
    const waits = element("span", { class: "bar wait" });
    took.style.width = `${(100 * data.took[task]) / END}%`;
    waits.style.width = `${(100 * waited(task)) / END}%`;
    list.append(
      element(
        "li",
        {},
        linkTo(task),
        element("span", { class: "amount" }, seconds(data.took[task])),
        element("span", { class: "amount" }, waited(task) > 0 ? `waited ${seconds(waited(task))}` : ""),
        element("span", { class: "share", "aria-hidden": "true" }, waits, took),
      ),
    );
  }
  const hidden = data.critical.length - 300;
  if (hidden > 0) list.append(element("li", {}, `and ${plural(hidden, "task")} more`));
}

function startTimeline() {
  if (!BARS.length) {
    byId("timeline").hidden = true;
    return;
  }
  readColors();
  listCriticalPath();
  setMode(new Set(data.worker).size <= 1 && COUNT <= 400 ? "task" : COUNT <= 60 ? "task" : "worker");
  addEventListener("themechange", () => {
    readColors();
    drawTimeline();
  });
  // Paper is white: what is painted has to be painted for it before it is printed.
  function repaint() {
    readColors();
    paintTimeline();
  }
  addEventListener("beforeprint", () => {
    const { theme } = document.documentElement.dataset;
    document.documentElement.dataset.theme = "light";
    repaint();
    addEventListener("afterprint", () => {
      document.documentElement.dataset.theme = theme;
      repaint();
    }, { once: true });
  });
  new ResizeObserver(inNextFrame(resizeTimeline)).observe(timeline.scroller.parentElement);
}
