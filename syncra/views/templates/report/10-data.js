// The data of the run, and what is derived from it. All texts of users stay texts: the
// page is built from elements and text nodes only, never from markup.

const data = JSON.parse(document.getElementById("data").textContent);
const COUNT = data.names.length;
const STATES = ["pending", "running", "succeeded", "failed", "skipped", "cancelled"];
const [PENDING, RUNNING, SUCCEEDED, FAILED, SKIPPED, CANCELLED] = STATES.keys();
const ICONS = ["○", "▶", "✓", "✕", "↷", "⊘"];
const END = Math.max(data.duration, 1);

const states = Uint8Array.from(data.states, Number);
const critical = new Set(data.critical);

/** Return the tasks that a task depends on: see `_before` in page_data.py. */
function before(task) {
  const found = [];
  let last = 0;
  for (const number of data.lists[data.before[task]]) {
    if (number > 0) {
      last = number;
      found.push(task - last);
    } else {
      for (let more = 0; more < -number; more++) found.push(task - ++last);
    }
  }
  return found;
}

/** The tasks that depend on each task, in one array; made when first asked for. */
let followers = null;
function after(task) {
  if (!followers) {
    const offsets = new Int32Array(COUNT + 1);
    for (let other = 0; other < COUNT; other++) {
      for (const dependency of before(other)) offsets[dependency + 1]++;
    }
    for (let other = 0; other < COUNT; other++) offsets[other + 1] += offsets[other];
    const tasks = new Int32Array(offsets[COUNT]);
    const next = offsets.slice();
    for (let other = 0; other < COUNT; other++) {
      for (const dependency of before(other)) tasks[next[dependency]++] = other;
    }
    followers = { offsets, tasks };
  }
  const { offsets, tasks } = followers;
  return Array.from(tasks.subarray(offsets[task], offsets[task + 1]));
}

/** The length of the longest way to each task; and for what is skipped, because of whom. */
const levels = new Int32Array(COUNT);
const causes = new Int32Array(COUNT).fill(-1);
for (let task = 0; task < COUNT; task++) {
  for (const other of before(task)) {
    levels[task] = Math.max(levels[task], levels[other] + 1);
    if (states[task] !== SKIPPED || causes[task] >= 0 || data.notes[task]?.reason) continue;
    if (states[other] === FAILED || states[other] === CANCELLED) causes[task] = other;
    else if (states[other] === SKIPPED) causes[task] = causes[other] >= 0 ? causes[other] : other;
  }
}

/** Return the attempts at a task: start, end, worker, error and whether it was the last. */
function attemptsOf(task) {
  if (data.start[task] < 0) return [];
  const known = data.attempts[task] ?? [[data.start[task], data.took[task], data.worker[task], -1]];
  return known.map(([start, took, worker, error], index) => ({
    start,
    end: took < 0 ? END : start + took,
    took,
    worker,
    error: data.messages[error] ?? "",
    isLast: index === known.length - 1,
  }));
}

/** Return how long a task waited after the last one it depends on. */
function waited(task) {
  return data.start[task] < 0 ? -1 : Math.max(data.start[task] - data.released[task], 0);
}

function countOfAttempts(task) {
  return data.start[task] < 0 ? 0 : (data.attempts[task]?.length ?? 1);
}

function workerOf(task) {
  return data.worker[task] < 0 ? "" : data.workers[data.worker[task]];
}

/** Return in a few words why a task has not succeeded, or what is to be known of it. */
function why(task) {
  const note = data.notes[task] ?? {};
  const words = [];
  if (data.failures[task]) words.push(data.messages[data.failures[task][0]]);
  else if (note.reason !== undefined) words.push(note.reason || "by its own wish");
  else if (causes[task] >= 0) words.push(`because of ${data.names[causes[task]]}`);
  else if (states[task] === SKIPPED) words.push("its trigger was not met");
  if (note.abandoned) words.push("abandoned");
  if (note.rollback) {
    const undone = note.rollback[0];
    words.push(undone === SUCCEEDED ? "rolled back" : `rollback ${STATES[undone]}`);
  }
  if (note.warning && !words.length) words.push(note.warning);
  return words.join(", ");
}

/** Return what a task has logged: time, level, logger, text and attempt. */
function logOf(task) {
  return (data.logs[task] ?? []).map(([time, level, logger, text, attempt]) => ({
    time,
    level: data.log_levels[level][0],
    number: data.log_levels[level][1],
    logger: data.loggers[logger],
    text: data.log_texts[text],
    attempt,
  }));
}

/** How severe an entry is: what "WARNING" and "ERROR" are for `logging`. */
const WARNING = 30;
const ERROR = 40;
function severity(number) {
  return number >= ERROR ? "error" : number >= WARNING ? "warning" : "info";
}

/** Return how many entries of a task are warnings or worse. */
function warningsOf(task) {
  return (data.logs[task] ?? []).filter((entry) => data.log_levels[entry[1]][1] >= WARNING).length;
}

/** Return microseconds in the unit that suits them. */
function seconds(micros) {
  if (micros < 0) return "";
  if (micros < 1e3) return `${micros} µs`;
  if (micros < 1e6) return `${Number((micros / 1e3).toPrecision(3))} ms`;
  if (micros < 6e7) return `${Number((micros / 1e6).toPrecision(3))} s`;
  const whole = Math.round(micros / 1e6);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

function plural(number, word) {
  return `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
}

const SVG = "http://www.w3.org/2000/svg";

/** Make an element. Attributes are set as they are, children are elements or texts. */
function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function drawn(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}

function byId(id) {
  return document.getElementById(id);
}

function badge(task) {
  const name = STATES[states[task]];
  return element(
    "span",
    { class: `badge ${name}` },
    element("span", { "aria-hidden": "true", class: "icon" }, ICONS[states[task]]),
    element("span", { class: "word" }, name),
  );
}

/** Call something once in the next frame, however often it is asked for. */
function inNextFrame(call) {
  let isAsked = false;
  return () => {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      call();
    });
  };
}

/** What is selected, and who wants to know. */
const selection = { task: -1, listeners: [] };
function select(task, origin = "") {
  selection.task = task;
  const wanted = task < 0 ? "" : `#task-${task}`;
  if (location.hash !== wanted && (task >= 0 || location.hash.startsWith("#task-"))) {
    history.replaceState(null, "", wanted || location.pathname + location.search);
  }
  for (const listener of selection.listeners) listener(task, origin);
}

const isStill = matchMedia("(prefers-reduced-motion: reduce)");
function bring(target) {
  target.scrollIntoView({ behavior: isStill.matches ? "auto" : "smooth", block: "start" });
}
