// The timeline: every attempt as a bar, by worker or by task. Drawn on a canvas that stays
// in place while the rows scroll beneath it, so that any number of rows costs the same.

const KINDS = [...STATES, "retried", "rollback"];
const RETRIED = STATES.length;
const ROLLBACK = RETRIED + 1;
const AXIS = 26;
/** A worker that does more than so many tasks at once, as a loop does, has low rows. */
const MANY_LANES = 4;

const timeline = {
  scroller: byId("timeline-scroller"),
  canvas: byId("timeline-canvas"),
  strip: byId("strip"),
  mode: "worker",
  start: 0,
  end: END,
  bars: [], // those of the mode, by row and start
  offsets: [], // where the bars of each row begin
  rows: [], // labels
  rowOf: new Map(), // row of each task where a task has one
  isLow: [], // whether each row is one of many of its worker
  tops: new Float64Array(1), // where each row begins, and the last one ends
  gutter: 160,
  width: 0,
  height: 0,
  hovered: null,
  focused: null,
  colors: {},
  patterns: {},
};

function allBars() {
  const bars = [];
  for (let task = 0; task < COUNT; task++) {
    for (const [index, attempt] of attemptsOf(task).entries()) {
      bars.push({ task, index, ...attempt, kind: attempt.isLast ? states[task] : RETRIED, row: 0 });
    }
    for (const [start, took, worker, error] of data.notes[task]?.rollback?.[1] ?? []) {
      bars.push({ task, index: 0, start, end: start + Math.max(took, 0), took, worker, error: data.messages[error] ?? "", kind: ROLLBACK, row: 0 });
    }
  }
  return bars.sort((one, other) => one.start - other.start || one.end - other.end);
}
const BARS = allBars();

/** Give each bar a row: a worker has as many as of its bars overlap. */
function layRows() {
  timeline.rows = [];
  timeline.isLow = [];
  timeline.rowOf.clear();
  if (timeline.mode === "task") {
    for (const bar of BARS) {
      if (!timeline.rowOf.has(bar.task)) {
        timeline.rowOf.set(bar.task, timeline.rows.length);
        timeline.rows.push(data.names[bar.task]);
      }
      bar.row = timeline.rowOf.get(bar.task);
    }
  } else {
    const byWorker = new Map();
    for (const bar of BARS) {
      const key = bar.kind === ROLLBACK ? `${bar.worker} ` : `${bar.worker}`;
      if (!byWorker.has(key)) byWorker.set(key, []);
      byWorker.get(key).push(bar);
    }
    const workers = [...byWorker.values()].map((bars) => ({ bars, lanes: layLanes(bars) }));
    const isMany = ({ lanes }) => lanes > MANY_LANES;
    const name = ({ bars }) => data.workers[bars[0].worker];
    const isUndoing = ({ bars }) => bars[0].kind === ROLLBACK;
    // A loop with hundreds of coroutines would hide all others below it.
    workers.sort((one, other) =>
      isMany(one) - isMany(other) ||
      name(one).localeCompare(name(other), "en", { numeric: true }) ||
      isUndoing(one) - isUndoing(other));
    for (const worker of workers) {
      for (const bar of worker.bars) bar.row += timeline.rows.length;
      for (let lane = 0; lane < worker.lanes; lane++) {
        timeline.rows.push(lane ? "" : name(worker) + (isUndoing(worker) ? " (rollback)" : ""));
        timeline.isLow.push(isMany(worker));
      }
    }
  }
  BARS.sort((one, other) => one.row - other.row || one.start - other.start);
  timeline.bars = BARS;
  timeline.offsets = new Int32Array(timeline.rows.length + 1);
  for (const bar of BARS) timeline.offsets[bar.row + 1]++;
  for (let row = 0; row < timeline.rows.length; row++) timeline.offsets[row + 1] += timeline.offsets[row];
}

/** Give each bar of a worker a lane, where it overlaps no other; return how many. */
function layLanes(bars) {
  let count = 0;
  const busy = []; // a heap of [end, lane]
  const free = []; // a heap of [lane]
  bars.sort((one, other) => one.start - other.start);
  for (const bar of bars) {
    while (busy.length && busy[0][0] <= bar.start + 2) push(free, [pop(busy)[1]]);
    bar.row = free.length ? pop(free)[0] : count++;
    push(busy, [bar.end, bar.row]);
  }
  return count;
}

function push(heap, item) {
  let place = heap.push(item) - 1;
  while (place > 0) {
    const parent = (place - 1) >> 1;
    if (heap[parent][0] <= item[0]) break;
    heap[place] = heap[parent];
    place = parent;
  }
  heap[place] = item;
}

function pop(heap) {
  const top = heap[0];
  const item = heap.pop();
  if (!heap.length) return top;
  let place = 0;
  for (;;) {
    let child = 2 * place + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && heap[child + 1][0] < heap[child][0]) child++;
    if (heap[child][0] >= item[0]) break;
    heap[place] = heap[child];
    place = child;
  }
  heap[place] = item;
  return top;
}

function toX(moment) {
  const room = timeline.width - timeline.gutter;
  return timeline.gutter + ((moment - timeline.start) * room) / (timeline.end - timeline.start);
}

function toMoment(x) {
  const room = Math.max(timeline.width - timeline.gutter, 1);
  return timeline.start + ((x - timeline.gutter) * (timeline.end - timeline.start)) / room;
}

function setView(start, end) {
  const span = Math.min(Math.max(end - start, Math.min(20, END)), END);
  timeline.start = Math.min(Math.max(start, 0), END - span);
  timeline.end = timeline.start + span;
  drawTimeline();
}

function zoom(factor, moment = (timeline.start + timeline.end) / 2) {
  setView(moment - (moment - timeline.start) / factor, moment + (timeline.end - moment) / factor);
}

function readColors() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["ink", "muted", "line", "surface", "critical", "accent", "hover", ...KINDS]) {
    timeline.colors[name] = style.getPropertyValue(`--${name}`).trim();
  }
  timeline.patterns = {};
  const context = timeline.canvas.getContext("2d");
  for (const name of ["failed", "retried", "cancelled", "rollback"]) {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const inside = tile.getContext("2d");
    inside.fillStyle = timeline.colors[name];
    inside.fillRect(0, 0, 8, 8);
    inside.strokeStyle = "rgba(255,255,255,.55)";
    inside.lineWidth = name === "failed" ? 2 : 1.2;
    inside.beginPath();
    for (const shift of [-8, 0, 8]) {
      inside.moveTo(shift, name === "retried" ? 0 : 8);
      inside.lineTo(shift + 8, name === "retried" ? 8 : 0);
    }
    inside.stroke();
    timeline.patterns[name] = context.createPattern(tile, "repeat");
  }
}

function resizeTimeline() {
  const box = timeline.scroller;
  timeline.width = box.clientWidth;
  timeline.gutter = timeline.width < 600 ? 84 : Math.min(200, Math.round(timeline.width * 0.2));
  const most = Math.max(Math.min(innerHeight * 0.6, 520), 200) - AXIS;
  layHeights(most);
  const whole = timeline.tops[timeline.rows.length];
  timeline.height = AXIS + Math.min(whole, most) + 6;
  box.style.height = `${timeline.height}px`;
  byId("timeline-room").style.height = `${Math.max(whole + AXIS + 6 - timeline.height, 0)}px`;
  fitCanvas(timeline.canvas, timeline.width, timeline.height);
  fitCanvas(timeline.strip, timeline.width, 44);
  drawTimeline();
}

/** Give each row its height: together the room there is, if they can be as low. */
function layHeights(room) {
  const count = timeline.rows.length;
  const low = timeline.isLow.filter(Boolean).length;
  const fitting = (share, rows, least, best) => Math.min(Math.max(Math.floor(share / Math.max(rows, 1)), least), best);
  const [least, best] = timeline.mode === "task" ? [22, 26] : [16, 28];
  const high = fitting(room - Math.min(low * 4, room / 2), count - low, least, best);
  const lower = fitting(room - (count - low) * high, low, 4, 12);
  timeline.tops = new Float64Array(count + 1);
  for (let row = 0; row < count; row++) timeline.tops[row + 1] = timeline.tops[row] + (timeline.isLow[row] ? lower : high);
}

function heightOf(row) {
  return timeline.tops[row + 1] - timeline.tops[row];
}

/** Return the row that is so far below the top of the first one. */
function rowAt(top) {
  let [first, after] = [0, timeline.rows.length];
  while (first < after) {
    const middle = (first + after) >> 1;
    if (timeline.tops[middle + 1] <= top) first = middle + 1;
    else after = middle;
  }
  return first;
}

function fitCanvas(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
}

/** Return the moments that the axis names: about one each 110 pixels. */
function ticks() {
  const wanted = ((timeline.end - timeline.start) * 110) / Math.max(timeline.width - timeline.gutter, 110);
  const power = 10 ** Math.floor(Math.log10(Math.max(wanted, 1)));
  let size = [1, 2, 5, 10].map((times) => times * power).find((one) => one >= wanted) ?? wanted;
  if (wanted > 2e7) size = [3e7, 6e7, 12e7, 3e8, 6e8, 18e8, 36e8, 72e8, 216e8, 864e8].find((one) => one >= wanted) ?? size;
  const found = [];
  for (let at = Math.ceil(timeline.start / size) * size; at <= timeline.end; at += size) found.push(Math.round(at));
  return found;
}

function tickText(micros) {
  if (micros === 0) return "0";
  const span = timeline.end - timeline.start;
  if (micros >= 6e7) {
    const rest = span < 6e7 ? (micros % 6e7) / 1e6 : Math.round((micros % 6e7) / 1e6);
    return `${Math.floor(micros / 6e7)}:${String(Number(rest.toFixed(span < 6e6 ? 3 : 1))).padStart(2, "0")}`;
  }
  if (micros >= 1e6 || span > 4e5) return `${Number((micros / 1e6).toFixed(span < 5e4 ? 5 : 3))} s`;
  if (micros >= 1e3) return `${Number((micros / 1e3).toFixed(3))} ms`;
  return `${micros} µs`;
}

function firstVisible(row) {
  let low = timeline.offsets[row];
  let high = timeline.offsets[row + 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (timeline.bars[middle].end < timeline.start) low = middle + 1;
    else high = middle;
  }
  return low;
}

function yOf(row) {
  return AXIS + timeline.tops[row] - timeline.scroller.scrollTop;
}

function paintTimeline() {
  if (!timeline.width) return;
  const { colors, width, height, gutter } = timeline;
  const context = timeline.canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  context.font = "12px system-ui, sans-serif";
  context.textBaseline = "middle";
  const top = timeline.scroller.scrollTop;
  const firstRow = rowAt(Math.max(top, 0));
  const lastRow = Math.min(rowAt(top + height - AXIS) + 1, timeline.rows.length);
  context.save();
  context.beginPath();
  context.rect(0, AXIS, width, height - AXIS);
  context.clip();
  drawRows(context, firstRow, lastRow);
  context.beginPath();
  context.rect(gutter, AXIS, width - gutter, height - AXIS);
  context.clip();
  drawLines(context);
  for (let row = firstRow; row < lastRow; row++) drawBarsOf(context, row);
  drawLinks(context);
  context.restore();
  context.strokeStyle = colors.line;
  context.fillStyle = colors.muted;
  context.textAlign = "center";
  for (const moment of ticks()) {
    const x = Math.round(toX(moment)) + 0.5;
    if (x < gutter) continue;
    const text = tickText(moment);
    const half = context.measureText(text).width / 2;
    context.fillText(text, Math.min(Math.max(x, gutter + half), width - half - 2), AXIS / 2);
  }
  drawStrip();
}
const drawTimeline = inNextFrame(paintTimeline);

function drawRows(context, firstRow, lastRow) {
  const { colors, width, gutter } = timeline;
  context.textAlign = "left";
  for (let row = firstRow; row < lastRow; row++) {
    const y = yOf(row);
    if (timeline.mode === "task" ? row % 2 : timeline.rows[row]) {
      context.fillStyle = timeline.mode === "task" ? colors.hover : colors.line;
      context.fillRect(0, y, width, timeline.mode === "task" ? heightOf(row) : 1);
    }
    const label = timeline.rows[row];
    if (!label) continue;
    context.fillStyle = colors.ink;
    context.fillText(clipped(context, label, gutter - 16), 8, y + Math.max(heightOf(row), 14) / 2 + 0.5);
  }
  context.strokeStyle = colors.line;
  context.lineWidth = 1;
  context.beginPath();
  for (const moment of ticks()) {
    const x = Math.round(toX(moment)) + 0.5;
    if (x < gutter) continue;
    context.moveTo(x, AXIS);
    context.lineTo(x, timeline.height);
  }
  context.stroke();
}

function clipped(context, text, room) {
  if (room < 14) return "";
  let shown = text.slice(0, Math.ceil(room / 3));
  if (shown === text && context.measureText(text).width <= room) return text;
  while (shown && context.measureText(`${shown}…`).width > room) shown = shown.slice(0, -Math.max(1, shown.length >> 4));
  return shown.length > 3 ? `${shown}…` : "";
}

function drawBarsOf(context, row) {
  const { width, gutter } = timeline;
  const y = yOf(row);
  const rowHeight = heightOf(row);
  const inset = rowHeight > 16 ? 3 : rowHeight > 8 ? 1 : 0.5;
  let painted = -1; // up to which pixel, by bars too small to tell apart
  let paintedKind = -1;
  let previous = null;
  const last = [];
  for (let place = firstVisible(row); place < timeline.offsets[row + 1]; place++) {
    const bar = timeline.bars[place];
    if (bar.start > timeline.end) break;
    const x = Math.max(toX(bar.start), gutter - 4);
    const end = Math.min(toX(bar.end), width + 4);
    if (timeline.mode === "task") drawWait(context, bar, previous, y + rowHeight / 2);
    previous = bar;
    const isTold = bar.task === selection.task || bar === timeline.focused || bar === timeline.hovered;
    if (end - x < 1 && Math.floor(x) === painted && bar.kind === paintedKind && !isTold) continue;
    painted = Math.floor(x);
    paintedKind = bar.kind;
    // What is rare and small would be lost among what is not.
    if (isTold || (bar.kind !== SUCCEEDED && end - x < 3)) last.push([bar, x, Math.max(end - x, 3), isTold]);
    else drawBar(context, bar, x, y + inset, Math.max(end - x, 1.5), rowHeight - 2 * inset, false);
  }
  for (const [bar, x, room, isTold] of last) drawBar(context, bar, x, y + inset, room, rowHeight - 2 * inset, isTold);
}

function drawBar(context, bar, x, y, width, height, isTold) {
  const { colors } = timeline;
  const name = KINDS[bar.kind];
  context.fillStyle = (width > 3 && timeline.patterns[name]) || colors[name];
  context.beginPath();
  if (width > 6) context.roundRect(x, y, width, height, 3);
  else context.rect(x, y, width, height);
  context.fill();
  if (width > 34 && height > 12) {
    const text = clipped(context, timeline.mode === "task" ? seconds(bar.took) : data.names[bar.task], width - 10);
    if (text) {
      context.textAlign = "left";
      context.font = "600 11px system-ui, sans-serif";
      if (timeline.patterns[name]) {
        context.fillStyle = colors[name];
        context.fillRect(x + 3, y + 1, context.measureText(text).width + 5, height - 2);
      }
      context.fillStyle = "#fff";
      context.fillText(text, x + 5, y + height / 2 + 0.5);
      context.font = "12px system-ui, sans-serif";
    }
  }
  if (critical.has(bar.task)) {
    context.fillStyle = colors.critical;
    context.fillRect(x, y + height - (height > 12 ? 3 : 2), width, height > 12 ? 4 : 2);
  }
  if (isTold) {
    context.strokeStyle = bar === timeline.focused || bar.task === selection.task ? colors.ink : colors.muted;
    context.lineWidth = 2;
    context.strokeRect(x - 1, y - 1, width + 2, height + 2);
  }
}

/** Draw from when a task could have started to when it did; and between attempts. */
function drawWait(context, bar, previous, y) {
  const isFirst = bar.index === 0 && bar.kind !== ROLLBACK;
  const from = isFirst ? data.released[bar.task] : (previous?.end ?? bar.start);
  const start = toX(from);
  const end = toX(bar.start);
  if (end - start < 2) return;
  context.strokeStyle = isFirst ? timeline.colors.muted : timeline.colors.retried;
  context.lineWidth = 1.5;
  context.setLineDash(isFirst ? [2, 3] : [5, 3]);
  context.beginPath();
  context.moveTo(start, y);
  context.lineTo(end, y);
  if (isFirst) {
    context.moveTo(start, y - 4);
    context.lineTo(start, y + 4);
  }
  context.stroke();
  context.setLineDash([]);
}

function drawLines(context) {
  const at = selection.task;
  if (at < 0 || data.start[at] < 0) return;
  const from = toX(data.released[at]);
  const to = toX(data.start[at]);
  if (to - from < 1) return;
  context.fillStyle = timeline.colors.hover;
  context.fillRect(from, AXIS, to - from, timeline.height);
}

function barsOf(task) {
  if (timeline.mode === "task") {
    const row = timeline.rowOf.get(task);
    return row === undefined ? [] : timeline.bars.slice(timeline.offsets[row], timeline.offsets[row + 1]);
  }
  return timeline.bars.filter((bar) => bar.task === task);
}

/** Return pairs of bars: dependencies of the selected task, or the critical path. */
let known = { key: "", pairs: [] };
function linked() {
  const key = `${timeline.mode} ${selection.task}`;
  if (known.key === key) return known.pairs;
  const pairs = [];
  if (selection.task >= 0) {
    for (const other of before(selection.task).slice(0, 60)) pairs.push([other, selection.task]);
    for (const other of after(selection.task).slice(0, 60)) pairs.push([selection.task, other]);
  } else if (data.critical.length <= (timeline.mode === "task" ? 200 : 30)) {
    for (let place = 1; place < data.critical.length; place++) pairs.push([data.critical[place - 1], data.critical[place]]);
  }
  const wanted = new Map(pairs.flat().map((task) => [task, []]));
  for (const bar of timeline.bars) if (bar.kind !== ROLLBACK) wanted.get(bar.task)?.push(bar);
  for (const bars of wanted.values()) bars.sort((one, other) => one.start - other.start);
  known = {
    key,
    pairs: pairs.map(([one, other]) => [wanted.get(one).at(-1), wanted.get(other)[0]]).filter(([one, other]) => one && other),
  };
  return known.pairs;
}

function drawLinks(context) {
  const pairs = linked();
  if (!pairs.length) return;
  context.strokeStyle = selection.task >= 0 ? timeline.colors.accent : timeline.colors.critical;
  context.lineWidth = 1.5;
  context.beginPath();
  for (const [from, to] of pairs) {
    const [x, y] = [toX(from.end), yOf(from.row) + heightOf(from.row) / 2];
    const [toEnd, yEnd] = [toX(to.start), yOf(to.row) + heightOf(to.row) / 2];
    const bend = Math.max(Math.min(Math.abs(toEnd - x) / 2, 40), 6);
    context.moveTo(x, y);
    context.bezierCurveTo(x + bend, y, toEnd - bend, yEnd, toEnd, yEnd);
  }
  context.stroke();
}

/** The strip above: how many attempts were running, and what of it is seen below. */
const load = { counts: null, most: 1 };
function measureLoad() {
  const size = Math.min(Math.max(Math.floor(timeline.width - timeline.gutter), 1), 2000);
  const sums = new Float64Array(size + 1);
  const per = END / size;
  for (const bar of BARS) {
    const first = Math.min(Math.floor(bar.start / per), size - 1);
    const last = Math.min(Math.floor(bar.end / per), size - 1);
    if (first === last) {
      sums[first] += (bar.end - bar.start) / per;
      continue;
    }
    sums[first] += first + 1 - bar.start / per;
    sums[last] += bar.end / per - last;
    for (let bin = first + 1; bin < last; bin++) sums[bin]++;
  }
  load.counts = sums.subarray(0, size);
  load.most = Math.max(load.counts.reduce((most, count) => Math.max(most, count), 0), 1);
  const moments = BARS.flatMap((bar) => [[bar.start, 1], [bar.end, -1]]).sort((one, other) => one[0] - other[0] || one[1] - other[1]);
  let running = 0;
  load.peak = moments.reduce((most, [, change]) => Math.max(most, (running += change)), 1);
}

function drawStrip() {
  const { colors, width, gutter } = timeline;
  const context = timeline.strip.getContext("2d");
  const room = width - gutter;
  if (!load.counts || load.width !== width) {
    measureLoad();
    load.width = width;
  }
  context.clearRect(0, 0, width, 44);
  context.font = "12px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.fillStyle = colors.muted;
  context.fillText(clipped(context, gutter < 100 ? "running" : `running, up to ${load.peak}`, gutter - 12), 8, 24);
  context.fillStyle = colors.running;
  context.globalAlpha = 0.55;
  context.beginPath();
  context.moveTo(gutter, 42);
  const { counts, most } = load;
  for (let bin = 0; bin < counts.length; bin++) {
    const y = 42 - (36 * counts[bin]) / most;
    context.lineTo(gutter + (bin * room) / counts.length, y);
    context.lineTo(gutter + ((bin + 1) * room) / counts.length, y);
  }
  context.lineTo(width, 42);
  context.fill();
  context.globalAlpha = 1;
  const from = gutter + (timeline.start * room) / END;
  const to = gutter + (timeline.end * room) / END;
  context.fillStyle = colors.surface;
  context.globalAlpha = 0.7;
  context.fillRect(gutter, 0, from - gutter, 44);
  context.fillRect(to, 0, width - to, 44);
  context.globalAlpha = 1;
  if (timeline.end - timeline.start < END) {
    context.strokeStyle = colors.accent;
    context.lineWidth = 2;
    context.strokeRect(from + 1, 1, Math.max(to - from - 2, 2), 42);
  }
}
