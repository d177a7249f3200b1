// The page as a whole: its theme, its keys, its address.

const THEMES = ["auto", "light", "dark"];
const themeButton = byId("theme");
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  themeButton.dataset.theme = theme;
  themeButton.setAttribute("aria-label", `Theme: ${theme}`);
  themeButton.title = `Theme: ${theme}`;
  requestAnimationFrame(() => dispatchEvent(new Event("themechange")));
}
function keptTheme() {
  try {
    return localStorage.getItem("syncra-theme");
  } catch {
    return null; // where a page may keep nothing
  }
}
themeButton.addEventListener("click", () => {
  const theme = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
  setTheme(theme);
  try {
    localStorage.setItem("syncra-theme", theme);
  } catch {
    // it lasts as long as the page is open
  }
});
setTheme(THEMES.includes(keptTheme()) ? keptTheme() : "auto");
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTheme(document.documentElement.dataset.theme));

for (const time of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(time.dateTime);
  if (!Number.isNaN(moment.getTime())) {
    time.title = time.textContent;
    time.textContent = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  }
}

for (const link of document.querySelectorAll("a[data-filter]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    clearFilters();
    toggleState(Number(link.dataset.filter));
    bring(byId("tasks"));
    search.focus({ preventScroll: true });
  });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isTyping = event.target.matches?.("input, textarea, select");
  if (event.key === "/" && !isTyping) {
    event.preventDefault();
    bring(byId("tasks"));
    search.focus({ preventScroll: true });
    search.select();
  } else if (event.key === "Escape" && selection.task >= 0) {
    closeDetails();
  } else if (event.key === "?" && !isTyping) {
    byId("keys").showModal();
  }
});
byId("help").addEventListener("click", () => byId("keys").showModal());

function selectByAddress() {
  const found = /^#task-(\d+)$/.exec(location.hash);
  const task = found ? Number(found[1]) : -1;
  if (task >= 0 && task < COUNT && task !== selection.task) select(task, "link");
}
addEventListener("hashchange", selectByAddress);
// A link to the task that is shown already changes no address.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='#task-']");
  if (link && link.getAttribute("href") === location.hash) select(Number(link.getAttribute("href").slice(6)), "link");
});

if (data.logs_left_out) {
  byId("logs-left-out").textContent = `${plural(data.logs_left_out, "log record")} had no room in this page; those of failures and warnings came first.`;
  byId("logs-left-out").hidden = false;
}

for (const part of document.querySelectorAll("[data-scripted]")) part.hidden = false;
refreshTable();
startTimeline();
startGraph();
selectByAddress();
document.documentElement.dataset.ready = "";
