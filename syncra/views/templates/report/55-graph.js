// The graph: all of a small one; of a large one its levels, and what is around a task.

const SMALL = 250; // tasks that are drawn one by one
const graph = {
  scroller: byId("graph-scroller"),
  svg: byId("graph-svg"),
  scale: 1,
  drawing: null,
  tasks: new Map(), // element of each task that is drawn
  current: -1, // the task that the keyboard is at
  isSmall: COUNT <= SMALL,
};

function drawGraph(tasks) {
  const drawing = layOut(tasks);
  graph.drawing = drawing;
  graph.tasks.clear();
  const lines = drawn("g", { class: "ways", "aria-hidden": "true" });
  const awaitedBy = new Map(data.critical.map((task, place) => [task, data.critical[place - 1] ?? -1]));
  for (const way of drawing.ways) {
    way.line = drawn("path", { d: way.way, class: awaitedBy.get(way.to) === way.from ? "way critical" : "way" });
    lines.append(way.line);
  }
  const boxes = drawn("g", { role: "list", "aria-label": "tasks" });
  for (const task of tasks) {
    const box = boxOf(task, drawing.places.get(task));
    graph.tasks.set(task, box);
    boxes.append(box);
  }
  graph.svg.replaceChildren(lines, boxes);
  graph.current = tasks.includes(selection.task) ? selection.task : tasks[0];
  graph.tasks.get(graph.current)?.setAttribute("tabindex", "0");
  const fits = Math.min((graph.scroller.clientWidth - 4) / drawing.width, 520 / drawing.height);
  setScale(Math.min(Math.max(fits, innerWidth < 600 ? 0.7 : 0.55), 1));
  markGraph();
}

function boxOf(task, place) {
  const name = STATES[states[task]];
  const took = seconds(data.took[task]);
  const tries = countOfAttempts(task);
  const box = drawn(
    "g",
    {
      class: `box ${name}${critical.has(task) ? " critical" : ""}`,
      transform: `translate(${place.x},${place.y.toFixed(1)})`,
      role: "listitem",
      tabindex: "-1",
      "data-task": task,
      "aria-label": `${data.names[task]}, ${name}${took ? `, ${took}` : ""}${critical.has(task) ? ", on the critical path" : ""}`,
    },
    drawn("title", {}, `${data.names[task]}\n${name} ${took}\n${why(task).slice(0, 300)}`.trim()),
    drawn("rect", { width: BOX.width, height: BOX.height, rx: 8 }),
    drawn("text", { x: 12, y: 24, class: "icon" }, ICONS[states[task]]),
    drawn("text", { x: 30, y: 16.5, class: "name" }, short(data.names[task], 22)),
    drawn("text", { x: 30, y: 30, class: "sub" }, [took || name, tries > 1 ? `${tries} attempts` : ""].filter(Boolean).join(" · ")),
  );
  box.addEventListener("click", () => select(task, "graph"));
  return box;
}

/** Return a name at most so long: of one that is too long the end tells more. */
function short(name, most) {
  if (name.length <= most) return name;
  const end = Math.ceil(most * 0.55);
  return `${name.slice(0, most - end - 1)}…${name.slice(-end)}`;
}

function setScale(scale, x = graph.scroller.clientWidth / 2, y = graph.scroller.clientHeight / 2) {
  const { drawing, scroller, svg } = graph;
  const next = Math.min(Math.max(scale, 0.1), 2.5);
  const ratio = next / graph.scale;
  const [left, top] = [(scroller.scrollLeft + x) * ratio - x, (scroller.scrollTop + y) * ratio - y];
  graph.scale = next;
  svg.setAttribute("viewBox", `0 0 ${drawing.width} ${drawing.height}`);
  svg.setAttribute("width", drawing.width * next);
  svg.setAttribute("height", drawing.height * next);
  scroller.scrollLeft = left;
  scroller.scrollTop = top;
}

/** Show what is selected, and what it is joined to. */
function markGraph() {
  const task = selection.task;
  const near = new Set(task < 0 ? [] : [task, ...before(task), ...after(task)]);
  graph.svg.classList.toggle("has-selection", graph.tasks.has(task));
  for (const [other, box] of graph.tasks) {
    box.classList.toggle("selected", other === task);
    box.classList.toggle("near", near.has(other));
  }
  for (const way of graph.drawing?.ways ?? []) way.line.classList.toggle("near", way.from === task || way.to === task);
}

function goTo(task, isFocused) {
  const box = graph.tasks.get(task);
  if (!box) return;
  graph.tasks.get(graph.current)?.setAttribute("tabindex", "-1");
  graph.current = task;
  box.setAttribute("tabindex", "0");
  if (isFocused) box.focus({ preventScroll: true });
  const place = graph.drawing.places.get(task);
  const { scroller, scale } = graph;
  const [x, y] = [place.x * scale, place.y * scale];
  const [width, height] = [BOX.width * scale, BOX.height * scale];
  if (x < scroller.scrollLeft) scroller.scrollLeft = x - 20;
  else if (x + width > scroller.scrollLeft + scroller.clientWidth) scroller.scrollLeft = x + width + 20 - scroller.clientWidth;
  if (y < scroller.scrollTop) scroller.scrollTop = y - 20;
  else if (y + height > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = y + height + 20 - scroller.clientHeight;
}

graph.svg.addEventListener("keydown", (event) => {
  const task = graph.current;
  const place = graph.drawing.places.get(task);
  const nearest = (others) => others.filter((other) => graph.tasks.has(other)).sort((one, other) =>
    Math.abs(graph.drawing.places.get(one).y - place.y) - Math.abs(graph.drawing.places.get(other).y - place.y))[0];
  const inColumn = [...graph.drawing.places].filter(([, other]) => other.column === place.column).sort(([, one], [, other]) => one.y - other.y).map(([other]) => other);
  const moves = {
    ArrowRight: () => nearest(after(task)),
    ArrowLeft: () => nearest(before(task)),
    ArrowDown: () => inColumn[inColumn.indexOf(task) + 1],
    ArrowUp: () => inColumn[inColumn.indexOf(task) - 1],
  };
  if (event.key in moves) goTo(moves[event.key]() ?? task, true);
  else if (event.key === "Enter" || event.key === " ") select(task, "keyboard");
  else if (event.key === "+" || event.key === "=") setScale(graph.scale * 1.25);
  else if (event.key === "-") setScale(graph.scale / 1.25);
  else return;
  event.preventDefault();
});

graph.scroller.addEventListener("wheel", (event) => {
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  const box = graph.scroller.getBoundingClientRect();
  setScale(graph.scale * Math.exp(-event.deltaY / 400), event.clientX - box.left, event.clientY - box.top);
}, { passive: false });
let dragged = null;
graph.scroller.addEventListener("pointerdown", (event) => {
  if (event.pointerType !== "mouse" || event.button) return;
  dragged = { x: event.clientX, y: event.clientY, left: graph.scroller.scrollLeft, top: graph.scroller.scrollTop };
});
addEventListener("pointermove", (event) => {
  if (!dragged || !event.buttons) return;
  graph.scroller.scrollLeft = dragged.left + dragged.x - event.clientX;
  graph.scroller.scrollTop = dragged.top + dragged.y - event.clientY;
});
addEventListener("pointerup", () => (dragged = null));
byId("graph-in").addEventListener("click", () => setScale(graph.scale * 1.3));
byId("graph-out").addEventListener("click", () => setScale(graph.scale / 1.3));
byId("graph-fit").addEventListener("click", () => {
  const { drawing, scroller } = graph;
  setScale(Math.min((scroller.clientWidth - 4) / drawing.width, scroller.clientHeight / drawing.height, 1));
});

/** Return a task and what is around it, both ways, as many as can be looked at. */
function around(task, most) {
  const found = new Set([task]);
  let edge = [task];
  while (edge.length && found.size < most) {
    const next = [];
    for (const other of edge) {
      for (const more of [...before(other).slice(0, 12), ...after(other).slice(0, 12)]) {
        if (found.size >= most || found.has(more)) continue;
        found.add(more);
        next.push(more);
      }
    }
    edge = next;
  }
  return [...found].sort((one, other) => one - other);
}

/** Of a large graph draw what is around the selected task, or the critical path. */
function drawPart() {
  const title = byId("graph-part");
  let tasks;
  if (selection.task >= 0) {
    if (graph.tasks.has(selection.task)) {
      markGraph();
      goTo(selection.task, false);
      return;
    }
    tasks = around(selection.task, 40);
    title.textContent = `Around ${data.names[selection.task]}`;
  } else if (data.critical.length) {
    tasks = data.critical.slice(-100);
    title.textContent = tasks.length < data.critical.length ? `The last ${tasks.length} tasks of the critical path` : "The critical path";
  } else {
    tasks = around(0, 40);
    title.textContent = "Where it begins";
  }
  drawGraph(tasks);
  goTo(selection.task >= 0 ? selection.task : tasks[0], false);
}

// The levels of a large graph, as bars: how many tasks of which state are in each.

const overview = { svg: byId("levels"), first: 0, last: levels.reduce((most, level) => Math.max(most, level), 0) };
const DEPTH = overview.last + 1;
// What is interesting stands at the bottom, where all bars begin.
const STACKED = [FAILED, CANCELLED, RUNNING, SKIPPED, PENDING, SUCCEEDED];

function drawLevels() {
  const { svg, first, last } = overview;
  const [width, height] = [Math.max(svg.parentElement.clientWidth, 200), 170];
  const depth = last - first + 1;
  const each = Math.ceil(depth / Math.max(Math.floor(width / 8), 8)); // levels in a bar
  const count = Math.ceil(depth / each);
  const bands = Array.from({ length: count }, (_, band) => ({
    first: first + band * each,
    last: Math.min(first + (band + 1) * each - 1, last),
    counts: new Array(STATES.length).fill(0),
    total: 0,
  }));
  const bandOf = new Int32Array(DEPTH).fill(-1);
  bands.forEach((band, place) => bandOf.fill(place, band.first, band.last + 1));
  for (let task = 0; task < COUNT; task++) {
    const band = bands[bandOf[levels[task]]];
    if (!band) continue;
    band.counts[states[task]]++;
    band.total++;
  }
  const most = Math.max(...bands.map((band) => band.total), 1);
  const size = (value) => Math.max((Math.log1p(value) / Math.log1p(most)) * (height - 42), 3);
  const step = width / count;
  const made = bands.map((band, place) => {
    const text = `${band.first === band.last ? `level ${band.first + 1}` : `levels ${band.first + 1} to ${band.last + 1}`}: ${plural(band.total, "task")}`;
    const parts = STACKED.filter((state) => band.counts[state]).map((state) => `${band.counts[state].toLocaleString("en")} ${STATES[state]}`);
    const group = drawn("g", { class: "level", role: "button", tabindex: place ? "-1" : "0", "aria-label": `${text}, ${parts.join(", ")}` }, drawn("title", {}, `${text}\n${parts.join("\n")}`));
    const whole = size(band.total);
    let y = height - 22;
    group.append(drawn("rect", { class: "behind", x: place * step, y: 0, width: step, height: height - 22 }));
    const seen = STACKED.filter((state) => band.counts[state]);
    for (const state of seen) {
      // Few that failed among many that did not are seen all the same.
      const part = Math.max((whole * band.counts[state]) / band.total, state === SUCCEEDED ? 0 : 3);
      y -= part;
      group.append(drawn("rect", { class: STATES[state], x: place * step + 1, y, width: Math.max(step - 2, 1), height: part }));
    }
    if (step > 30 || place % Math.ceil(34 / step) === 0) {
      group.append(drawn("text", { x: Math.min(place * step + step / 2, width - 12), y: height - 7 }, String(band.first + 1)));
    }
    if (step > 34) group.append(drawn("text", { class: "count", x: place * step + step / 2, y: y - 5 }, band.total.toLocaleString("en")));
    const open = () => openLevels(band.first, band.last);
    group.addEventListener("click", open);
    group.addEventListener("keydown", (event) => {
      const other = { ArrowRight: group.nextSibling, ArrowLeft: group.previousSibling }[event.key];
      if (event.key === "Enter" || event.key === " ") open();
      else if (other) {
        group.setAttribute("tabindex", "-1");
        other.setAttribute("tabindex", "0");
        other.focus();
      } else return;
      event.preventDefault();
    });
    return group;
  });
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("height", height);
  svg.replaceChildren(...made);
  byId("levels-all").hidden = depth === DEPTH && byId("level-tasks").hidden;
  byId("levels-title").textContent = depth === DEPTH
    ? `${plural(COUNT, "task")} on ${plural(DEPTH, "level")}: click a bar to look into it`
    : `Levels ${first + 1} to ${last + 1} of ${DEPTH}`;
}

/** Zoom into several levels; of one, or few, show the tasks. */
function openLevels(first, last) {
  let total = 0;
  const tasks = [];
  const wanted = [FAILED, CANCELLED, RUNNING, SKIPPED, PENDING, SUCCEEDED];
  for (let task = 0; task < COUNT; task++) {
    if (levels[task] < first || levels[task] > last) continue;
    total++;
    tasks.push(task);
  }
  if (last > first) {
    Object.assign(overview, { first, last });
    drawLevels();
    overview.svg.querySelector("g").focus({ preventScroll: true });
  }
  tasks.sort((one, other) => wanted.indexOf(states[one]) - wanted.indexOf(states[other]) || one - other);
  const [list, more] = links(tasks);
  list.classList.add("chips");
  const box = byId("level-tasks");
  box.hidden = false;
  box.replaceChildren(
    element("h3", {}, `${first === last ? `Level ${first + 1}` : `Levels ${first + 1} to ${last + 1}`}: ${plural(total, "task")}`),
    element("button", { type: "button", class: "quiet", onclick: () => { showLevels(first, last); bring(byId("tasks")); } }, "Show in the table"),
    list,
    more,
  );
  byId("levels-all").hidden = false;
}

byId("levels-all").addEventListener("click", () => {
  Object.assign(overview, { first: 0, last: DEPTH - 1 });
  byId("level-tasks").hidden = true;
  drawLevels();
});

selection.listeners.push((task) => {
  if (!graph.drawing) return;
  if (graph.isSmall) {
    markGraph();
    if (task >= 0) goTo(task, false);
  } else drawPart();
});

function startGraph() {
  if (!COUNT) {
    byId("graph").hidden = true;
    return;
  }
  byId("left-out").hidden = !data.dependencies_left_out;
  if (graph.isSmall) {
    byId("overview").hidden = true;
    drawGraph(Array.from({ length: COUNT }, (_, task) => task));
    return;
  }
  new ResizeObserver(inNextFrame(drawLevels)).observe(overview.svg.parentElement);
  drawLevels();
  drawPart();
}
