// Panels in Grafana's grid of 24 columns: each asks for its own data, and says what kept it from them.
import * as lines from "./draw_lines.js";
import * as map from "./draw_map.js";
import * as stat from "./draw_stat.js";
import * as table from "./draw_table.js";

const DRAWING = { timeseries: lines, table, stat, geomap: map };
const charts = new Map();

export function lay(place, dashboard) {
  for (const chart of charts.values()) chart.dispose?.();
  charts.clear();
  place.replaceChildren(...dashboard.panels.map(shell));
}

// Ask for the data of all panels; those of an older question that come later are not drawn.
let asked = 0;
export async function fill(dashboard, query) {
  const mine = ++asked;
  await Promise.all(dashboard.panels.map((panel) => one(dashboard, panel, query, () => mine === asked)));
}

export function resize() {
  for (const chart of charts.values()) chart.resize?.();
}

function shell(panel) {
  const made = document.createElement("section");
  made.className = `panel ${panel.type === "timeseries" ? "lines" : panel.type}`;
  made.id = `panel-${panel.id}`;
  made.setAttribute("aria-labelledby", `panel-${panel.id}-title`);
  const { x, y, w, h } = panel.gridPos;
  made.style.gridColumn = `${x + 1} / span ${w}`;
  made.style.gridRow = `${y + 1} / span ${h}`;
  const head = document.createElement("header");
  const title = document.createElement("h2");
  title.id = `panel-${panel.id}-title`;
  title.textContent = panel.title;
  title.title = panel.description;
  const csv = document.createElement("a");
  csv.className = "csv";
  csv.textContent = "CSV";
  csv.setAttribute("aria-label", `${panel.title} as CSV`);
  head.append(title, csv);
  const body = document.createElement("div");
  body.className = "body";
  body.tabIndex = 0;
  body.setAttribute("aria-label", panel.description);
  body.setAttribute("role", "group");
  made.append(head, body);
  return made;
}

async function one(dashboard, panel, query, current) {
  const place = document.getElementById(`panel-${panel.id}`);
  const body = place.querySelector(".body");
  const address = `/api/dashboards/${dashboard.uid}/panels/${panel.id}`;
  place.querySelector(".csv").href = `${address}.csv?${query}`;
  place.setAttribute("aria-busy", "true");
  let answer;
  try {
    const response = await fetch(`${address}?${query}`);
    answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
  } catch (error) {
    if (current()) say(panel, body, error instanceof TypeError ? "The board does not answer." : error.message, true);
    return;
  } finally {
    if (current()) place.removeAttribute("aria-busy");
  }
  if (!current()) return;
  charts.get(panel.id)?.dispose?.();
  charts.delete(panel.id);
  const chart = await DRAWING[panel.type].draw(body, panel, answer);
  if (chart === null) say(panel, body, panel.fieldConfig.defaults.noValue, false);
  else charts.set(panel.id, chart);
}

function say(panel, body, sentence, bad) {
  charts.get(panel.id)?.dispose?.();
  charts.delete(panel.id);
  const word = document.createElement("p");
  word.className = "word";
  if (bad) word.setAttribute("role", "alert");
  word.textContent = sentence;
  body.replaceChildren(word);
}
