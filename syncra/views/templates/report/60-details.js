// What is known of one task, beside or over the page.

const panel = byId("details");
let cameFrom = null; // where the focus was before the panel took it

function linkTo(task) {
  return element(
    "a",
    { href: `#task-${task}`, class: "task-link" },
    element("span", { class: `icon ${STATES[states[task]]}`, title: STATES[states[task]] }, ICONS[states[task]]),
    element("span", { class: "name" }, data.names[task]),
  );
}

/** Return a list of links; of very many the first ones, and a button for more. */
function links(tasks) {
  const list = element("ul", { class: "links" });
  let shown = 0;
  const more = element("button", { type: "button", class: "quiet", onclick: () => grow(200) });
  function grow(count) {
    for (const task of tasks.slice(shown, shown + count)) list.append(element("li", {}, linkTo(task)));
    shown = Math.min(shown + count, tasks.length);
    more.hidden = shown === tasks.length;
    more.textContent = `${(tasks.length - shown).toLocaleString("en")} more`;
  }
  grow(12);
  return [list, more];
}

/** Return all tasks at the root of a task's being skipped, at most some. */
function rootCauses(task) {
  const seen = new Set([task]);
  const found = [];
  const stack = [task];
  while (stack.length && seen.size < 20000) {
    for (const other of before(stack.pop())) {
      if (seen.has(other)) continue;
      seen.add(other);
      const isRoot = states[other] === FAILED || states[other] === CANCELLED || data.notes[other]?.reason !== undefined;
      if (isRoot) found.push(other);
      else if (states[other] === SKIPPED) stack.push(other);
    }
  }
  return found.sort((one, other) => one - other);
}

function section(title, ...children) {
  return element("section", {}, element("h3", {}, title), ...children);
}

function facts(pairs) {
  const list = element("dl", { class: "facts" });
  for (const [name, value] of pairs) {
    if (value) list.append(element("div", {}, element("dt", {}, name), element("dd", {}, value)));
  }
  return list;
}

function listOfAttempts(attempts, states) {
  const most = 100;
  const list = element("ol", { class: "attempts" });
  for (const [index, attempt] of attempts.slice(0, most).entries()) {
    const name = attempt.isLast ? states : "retried";
    const previous = index ? attempt.start - attempts[index - 1].end : 0;
    list.append(
      element(
        "li",
        { class: name },
        element("b", {}, `${index + 1}. ${name === "retried" ? "failed, tried again" : name}`),
        ` at +${seconds(attempt.start)}`,
        attempt.took < 0 ? ", not over" : ` for ${seconds(attempt.took)}`,
        ` in ${data.workers[attempt.worker]}`,
        index && previous > 0 ? `, ${seconds(previous)} after the one before` : "",
        attempt.error ? element("div", { class: "message" }, attempt.error) : null,
      ),
    );
  }
  if (attempts.length > most) list.append(element("li", {}, `and ${attempts.length - most} more`));
  return list;
}

function failureOf(task) {
  const [message, number, isOwn] = data.failures[task];
  const parts = [element("p", { class: "message" }, data.messages[message])];
  const text = number === null ? "" : data.tracebacks[number];
  if (text) {
    if (!isOwn) parts.push(element("p", { class: "hint" }, "Traceback of another task that failed at the same place:"));
    const pre = element("pre", { tabindex: "0", "aria-label": "traceback" }, text);
    const copy = element("button", { type: "button", class: "quiet copy" }, "Copy");
    copy.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text);
        copy.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(pre); // no clipboard here: it is marked instead
        copy.textContent = "Press Ctrl+C";
      }
    });
    parts.push(element("div", { class: "trace" }, copy, pre));
  }
  return parts;
}

/** Return the log of a task as a list; of a long one the end, and a button for the rest. */
function listOfLog(entries) {
  const most = 100;
  const list = element("ol", { class: "log" });
  const rowFor = (entry) =>
    element(
      "li",
      { class: isFound(entry, table.words) ? `${severity(entry.number)} found` : severity(entry.number) },
      element(
        "div",
        { class: "head" },
        element("span", { class: "level" }, entry.level),
        element("span", {}, `+${seconds(entry.time)}`),
        element("span", { class: "logger" }, entry.logger),
        entry.attempt > 1 ? element("span", {}, `attempt ${entry.attempt}`) : null,
      ),
      element("div", { class: "text" }, entry.text),
    );
  list.append(...entries.slice(-most).map(rowFor));
  const earlier = entries.length - most;
  if (earlier <= 0) return [list];
  const more = element("button", { type: "button", class: "quiet" }, `${earlier.toLocaleString("en")} earlier`);
  more.addEventListener("click", () => {
    list.prepend(...entries.slice(0, -most).map(rowFor));
    more.remove();
  });
  return [more, list];
}

function logSection(task) {
  const entries = logOf(task);
  const [dropped, leftOut] = data.logs_missing[task] ?? [0, 0];
  if (!entries.length && !dropped && !leftOut) return null;
  const hints = [];
  if (dropped) hints.push(`${plural(dropped, "earlier record")} ${dropped === 1 ? "was" : "were"} not kept.`);
  if (leftOut) hints.push(`${plural(leftOut, "more record")} ${leftOut === 1 ? "is" : "are"} not in this page.`);
  return section(
    `Log (${entries.length.toLocaleString("en")})`,
    ...(hints.length ? [element("p", { class: "hint" }, hints.join(" "))] : []),
    ...listOfLog(entries),
  );
}

function showDetails(task) {
  const note = data.notes[task] ?? {};
  const waits = waited(task);
  const body = [
    facts([
      ["Started", data.start[task] < 0 ? "never" : `+${seconds(data.start[task])}`],
      ["Took", seconds(data.took[task])],
      ["Waited", waits > 0 ? `${seconds(waits)} after its last dependency` : ""],
      ["Worker", workerOf(task)],
      ["Executor", data.executors[data.executor[task]]],
      ["Defined", data.places[data.place[task]]],
      ["Tags", (note.tags ?? []).join(", ")],
      ["Critical path", critical.has(task) ? "yes: the run has waited for it" : ""],
    ]),
  ];
  if (data.failures[task]) body.push(section("Error", ...failureOf(task)));
  if (note.reason !== undefined) body.push(section("Skipped by its own wish", element("p", { class: "message" }, note.reason || "no reason given")));
  else if (states[task] === SKIPPED) {
    const roots = rootCauses(task);
    if (roots.length) body.push(section("Skipped because of", ...links(roots)));
    else body.push(section("Skipped", element("p", {}, "Its trigger was not met.")));
  }
  if (note.warning) body.push(section("Warning", element("p", { class: "message" }, note.warning)));
  if (note.abandoned) body.push(section("Abandoned", element("p", {}, "An attempt did not end when it was to, and was left behind.")));
  const attempts = attemptsOf(task);
  if (attempts.length > 1) body.push(section(`Attempts (${attempts.length})`, listOfAttempts(attempts, STATES[states[task]])));
  if (note.rollback) {
    const undone = note.rollback[1].map(([start, took, worker, error], index, all) => ({
      start, took, worker, error: data.messages[error] ?? "", end: start + Math.max(took, 0), isLast: index === all.length - 1,
    }));
    body.push(section("Rollback", listOfAttempts(undone, STATES[note.rollback[0]])));
  }
  const log = logSection(task);
  if (log) body.push(log);
  const dependencies = before(task);
  const dependants = after(task);
  if (dependencies.length) body.push(section(`Depends on (${dependencies.length.toLocaleString("en")})`, ...links(dependencies)));
  if (dependants.length) body.push(section(`Needed by (${dependants.length.toLocaleString("en")})`, ...links(dependants)));
  byId("details-title").textContent = data.names[task];
  byId("details-state").replaceChildren(badge(task));
  byId("details-body").replaceChildren(...body);
  byId("details-body").scrollTop = 0;
}

function closeDetails() {
  select(-1);
  if (cameFrom?.isConnected) cameFrom.focus({ preventScroll: true });
  cameFrom = null;
}

selection.listeners.push((task, origin) => {
  document.body.classList.toggle("with-details", task >= 0);
  panel.hidden = task < 0;
  if (task < 0) return;
  showDetails(task);
  const isInside = panel.contains(document.activeElement);
  if (!isInside) cameFrom = document.activeElement;
  // Whoever uses the keyboard goes on there; whoever points stays where he points.
  if (origin === "keyboard" || origin === "link") byId("details-title").focus({ preventScroll: true });
});

byId("close").addEventListener("click", closeDetails);
byId("to-table").addEventListener("click", () => {
  if (table.shown.indexOf(selection.task) < 0) clearFilters();
  const place = table.shown.indexOf(selection.task);
  bring(byId("tasks"));
  moveTo(place);
  table.grid.focus({ preventScroll: true });
});
byId("to-timeline").addEventListener("click", () => {
  bring(byId("timeline"));
  revealInTimeline(selection.task);
});
