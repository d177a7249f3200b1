// The table of all tasks. Only the rows that are seen are elements.

const table = {
  grid: byId("grid"),
  rows: byId("rows"),
  shown: new Int32Array(0),
  filter: new Set(),
  words: [],
  level: null, // [first, last] of the levels to show
  column: "order",
  isDown: false,
  active: -1, // position of the row that the keyboard is at
  isWhole: false, // for printing
  texts: null,
  logs: null,
  version: 0, // of what is shown
  drawn: "", // which rows of which version are elements
};

const COLUMNS = {
  order: (task) => task,
  state: (task) => [3, 1, 5, 0, 4, 2].indexOf(states[task]),
  task: (task) => data.names[task].toLowerCase(),
  start: (task) => (data.start[task] < 0 ? Infinity : data.start[task]),
  took: (task) => data.took[task],
  waited,
  attempts: countOfAttempts,
  worker: (task) => workerOf(task),
  why: (task) => why(task) || "\uffff",
};
// What one wants to see first is the longest, not the shortest.
const LARGEST_FIRST = new Set(["took", "waited", "attempts"]);
const LONGEST = data.took.reduce((most, took) => Math.max(most, took), 1);

function searchText(task) {
  table.texts ??= new Array(COUNT);
  return (table.texts[task] ??= [
    data.names[task],
    STATES[states[task]],
    workerOf(task),
    data.executors[data.executor[task]],
    (data.notes[task]?.tags ?? []).join(" "),
    why(task),
  ].join("\n").toLowerCase());
}

/** Return in lower case what can be searched of the log of a task. */
function logText(task) {
  table.logs ??= new Array(COUNT);
  return (table.logs[task] ??= logOf(task).map(searchedIn).join("\n"));
}

function searchedIn({ level, logger, text }) {
  return `${level} ${logger} ${text}`.toLowerCase();
}

/** Return whether an entry of a log has something that is searched for in logs. */
function isFound(entry, words) {
  return words.length > 0 && words.some((word) => searchedIn(entry).includes(word));
}

/** Return the words that of all texts of a task only its log has. */
function wordsOnlyInLog(task) {
  if (!table.words.length || !data.logs[task]) return [];
  return table.words.filter((word) => !searchText(task).includes(word));
}

function isWanted(task) {
  if (table.filter.size && !table.filter.has(states[task])) return false;
  if (table.level && (levels[task] < table.level[0] || levels[task] > table.level[1])) return false;
  return table.words.every((word) => searchText(task).includes(word) || logText(task).includes(word));
}

function refreshTable() {
  const found = [];
  for (let task = 0; task < COUNT; task++) if (isWanted(task)) found.push(task);
  if (table.column !== "order" || table.isDown) {
    const value = COLUMNS[table.column];
    const values = new Map(found.map((task) => [task, value(task)]));
    const sign = table.isDown ? -1 : 1;
    found.sort((one, other) => {
      const a = values.get(one);
      const b = values.get(other);
      return a < b ? -sign : a > b ? sign : one - other;
    });
  }
  table.shown = Int32Array.from(found);
  table.version++;
  table.active = table.shown.indexOf(selection.task);
  table.grid.scrollTop = 0;
  table.grid.setAttribute("aria-rowcount", found.length + 1);
  byId("shown").textContent =
    found.length === COUNT ? plural(COUNT, "task") : `${found.length.toLocaleString("en")} of ${plural(COUNT, "task")}`;
  byId("nothing").hidden = found.length > 0;
  byId("clear").hidden = !(table.filter.size || table.words.length || table.level);
  for (const button of document.querySelectorAll("#filters button")) {
    button.setAttribute("aria-pressed", table.filter.has(Number(button.dataset.state)));
  }
  for (const header of table.grid.querySelectorAll("[role=columnheader]")) {
    const isSorted = header.dataset.column === table.column;
    header.setAttribute("aria-sort", !isSorted ? "none" : table.isDown ? "descending" : "ascending");
  }
  drawTable();
}

function rowHeight() {
  return parseFloat(getComputedStyle(table.grid).getPropertyValue("--row"));
}

function drawTable() {
  const height = rowHeight();
  const count = table.shown.length;
  let first = 0;
  let last = Math.min(count, 1000);
  if (!table.isWhole) {
    const top = Math.max(table.grid.scrollTop, 0);
    first = Math.max(Math.floor(top / height) - 8, 0);
    last = Math.min(Math.ceil((top + table.grid.clientHeight) / height) + 8, count);
    table.rows.style.height = `${count * height}px`;
  } else {
    table.rows.style.height = "auto";
  }
  // Rows that are there stay: one that is exchanged while it is clicked is not clicked.
  const key = `${table.version} ${first} ${last} ${height} ${table.isWhole}`;
  if (table.drawn !== key) {
    table.drawn = key;
    const made = [];
    for (let place = first; place < last; place++) made.push(rowOf(table.shown[place], place, height));
    table.rows.replaceChildren(...made);
  }
  for (const row of table.rows.children) {
    const isSelected = row.id === `row-${selection.task}`;
    row.classList.toggle("selected", isSelected);
    row.setAttribute("aria-selected", String(isSelected));
    row.classList.toggle("active", row.getAttribute("aria-rowindex") === String(table.active + 2));
  }
  const isSeen = table.active >= first && table.active < last;
  if (isSeen) table.grid.setAttribute("aria-activedescendant", `row-${table.shown[table.active]}`);
  else table.grid.removeAttribute("aria-activedescendant");
}

function rowOf(task, place, height) {
  const took = element("span", { class: "bar" });
  took.style.width = `${(100 * Math.max(data.took[task], 0)) / LONGEST}%`;
  const found = logOf(task).find((entry) => isFound(entry, wordsOnlyInLog(task)));
  const reason = found ? `log: ${found.text}` : why(task);
  const warnings = warningsOf(task);
  const tries = countOfAttempts(task);
  const cells = [
    element("div", { class: "state" }, badge(task)),
    element(
      "div",
      { class: "task" },
      element("span", { class: "name", title: data.names[task] }, data.names[task]),
      critical.has(task) ? element("span", { class: "mark", title: "on the critical path" }, "critical") : null,
      warnings ? element("span", { class: "mark warning", title: plural(warnings, "warning") + " in its log" }, `⚠ ${warnings}`) : null,
      element("span", { class: "under" }, reason || workerOf(task)),
    ),
    element("div", { class: "start number" }, data.start[task] < 0 ? "–" : `+${seconds(data.start[task])}`),
    element("div", { class: "took number" }, took, element("span", {}, seconds(data.took[task]) || "–")),
    element("div", { class: "waited number" }, seconds(waited(task)) || "–"),
    element("div", { class: tries > 1 ? "attempts number many" : "attempts number" }, String(tries)),
    element("div", { class: "worker" }, workerOf(task)),
    element("div", { class: "why", title: reason }, reason),
  ];
  for (const cell of cells) cell.setAttribute("role", "gridcell");
  const row = element(
    "div",
    {
      class: "row",
      role: "row",
      id: `row-${task}`,
      "aria-rowindex": place + 2,
      onclick: () => {
        table.active = place;
        select(task, "table");
      },
    },
    ...cells,
  );
  if (!table.isWhole) row.style.transform = `translateY(${place * height}px)`;
  return row;
}

/** Scroll within the table so that a row is seen. */
function showRow(place) {
  const height = rowHeight();
  const header = table.grid.querySelector(".header").offsetHeight;
  const room = table.grid.clientHeight - header;
  const top = place * height;
  if (top < table.grid.scrollTop) table.grid.scrollTop = top;
  else if (top + height > table.grid.scrollTop + room) table.grid.scrollTop = top + height - room;
}

function moveTo(place) {
  if (!table.shown.length) return;
  table.active = Math.min(Math.max(place, 0), table.shown.length - 1);
  showRow(table.active);
  drawTable();
}

table.grid.addEventListener("keydown", (event) => {
  if (event.target !== table.grid) return;
  const page = Math.max(Math.floor(table.grid.clientHeight / rowHeight()) - 2, 1);
  const moves = {
    ArrowDown: table.active + 1,
    ArrowUp: table.active - 1,
    PageDown: table.active + page,
    PageUp: table.active - page,
    Home: 0,
    End: table.shown.length - 1,
  };
  if (event.key in moves) {
    moveTo(moves[event.key]);
  } else if ((event.key === "Enter" || event.key === " ") && table.active >= 0) {
    select(table.shown[table.active], "keyboard");
  } else {
    return;
  }
  event.preventDefault();
});
table.grid.addEventListener("focus", () => {
  if (table.active < 0) moveTo(0);
});
table.grid.addEventListener("scroll", inNextFrame(drawTable), { passive: true });
new ResizeObserver(inNextFrame(drawTable)).observe(table.grid);

for (const header of table.grid.querySelectorAll("[role=columnheader]")) {
  header.querySelector("button").addEventListener("click", () => {
    const { column } = header.dataset;
    const isSame = table.column === column;
    const first = LARGEST_FIRST.has(column);
    if (isSame && table.isDown !== first) {
      table.column = "order"; // a third click: as it was
      table.isDown = false;
    } else {
      table.isDown = isSame ? !table.isDown : first;
      table.column = column;
    }
    refreshTable();
  });
}

const search = byId("search");
let searching = 0;
search.addEventListener("input", () => {
  clearTimeout(searching);
  searching = setTimeout(applySearch, COUNT > 20000 ? 150 : 0);
});
function applySearch() {
  table.words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  refreshTable();
}
search.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown" || event.key === "Enter") {
    clearTimeout(searching);
    applySearch();
    table.active = -1;
    table.grid.focus();
    event.preventDefault();
  } else if (event.key === "Escape" && search.value) {
    search.value = "";
    applySearch();
    event.stopPropagation();
  }
});

function toggleState(state) {
  if (!table.filter.delete(state)) table.filter.add(state);
  refreshTable();
}

function clearFilters() {
  table.filter.clear();
  table.words = [];
  table.level = null;
  search.value = "";
  byId("level").hidden = true;
  refreshTable();
}
byId("clear").addEventListener("click", () => {
  clearFilters();
  search.focus();
});

/** Show only the tasks of some levels of the graph. */
function showLevels(first, last) {
  table.level = [first, last];
  const chip = byId("level");
  chip.hidden = false;
  chip.textContent = first === last ? `level ${first + 1}` : `levels ${first + 1} to ${last + 1}`;
  refreshTable();
}

for (const state of [FAILED, CANCELLED, RUNNING, SKIPPED, PENDING, SUCCEEDED]) {
  const count = states.reduce((sum, other) => sum + (other === state), 0);
  if (!count) continue;
  const name = STATES[state];
  byId("filters").append(
    element(
      "button",
      { type: "button", class: `filter ${name}`, "data-state": state, "aria-pressed": "false", onclick: () => toggleState(state) },
      element("span", { class: "icon", "aria-hidden": "true" }, ICONS[state]),
      ` ${name} `,
      element("b", {}, count.toLocaleString("en")),
    ),
  );
}

selection.listeners.push((task, origin) => {
  const place = table.shown.indexOf(task);
  if (place >= 0) {
    table.active = place;
    if (origin !== "table") showRow(place);
  }
  drawTable();
});

addEventListener("beforeprint", () => {
  table.isWhole = true;
  drawTable();
});
addEventListener("afterprint", () => {
  table.isWhole = false;
  drawTable();
});
