// Lines or bars over time, with a table of them whose rows switch them off and on.
import { echarts } from "./vendor/charts.min.js";
import { CALCULATIONS, amount, colour, dark, moment } from "./format.js";
import { lines } from "./series.js";

const hidden = new Map();

export function draw(body, panel, answer) {
  const found = lines(answer.frames, panel.fieldConfig.overrides ?? []);
  if (!found.some((line) => line.points.length)) return null;
  const drawing = document.createElement("div");
  drawing.className = "drawing";
  const place = document.createElement("div");
  place.className = "chart";
  drawing.append(place);
  const legend = document.createElement("div");
  legend.className = "legend";
  body.replaceChildren(drawing, legend);
  const off = hidden.get(panel.id) ?? new Set();
  hidden.set(panel.id, off);
  const chart = echarts.init(place, null, { renderer: "canvas" });
  const show = () => chart.setOption(option(panel, found, off, answer), true);
  show();
  legend.append(table(panel, found, off, show));
  return chart;
}

function option(panel, found, off, answer) {
  const { defaults } = panel.fieldConfig;
  const ink = dark() ? "#a3abb6" : "#57606d";
  const stacked = defaults.custom?.stacking?.mode === "percent";
  const sums = stacked ? totals(found) : null;
  const series = found.flatMap((line, place) => {
    if (off.has(line.name)) return [];
    const shade = line.own["custom.drawStyle"] === "bars";
    return [{
      name: line.name,
      type: shade ? "bar" : "line",
      yAxisIndex: shade ? 1 : 0,
      barCategoryGap: 0,
      symbolSize: 5,
      showSymbol: line.points.length < 40,
      stack: stacked ? "all" : undefined,
      areaStyle: stacked ? { opacity: 0.4 } : undefined,
      itemStyle: { color: shade ? "rgba(196, 22, 42, .3)" : colour(place) },
      lineStyle: { width: 2 },
      data: sums ? line.points.map(([at, value]) => [at, sums.get(at) ? value / sums.get(at) : 0]) : line.points,
    }];
  });
  const limit = border(defaults, answer);
  if (limit) series.push(limit);
  return {
    animation: false,
    aria: { enabled: true, label: { description: `${panel.title}: ${found.map((line) => line.name).join(", ")}` } },
    grid: { left: 8, right: 16, top: 12, bottom: 4, containLabel: true },
    tooltip: {
      trigger: "axis",
      confine: true,
      backgroundColor: dark() ? "#1a1d23" : "#fff",
      textStyle: { color: dark() ? "#e3e6ea" : "#1d2127" },
      formatter: (points) => tip(points, panel, found),
    },
    xAxis: {
      type: "time",
      min: answer.from,
      max: answer.to,
      axisLabel: { color: ink, hideOverlap: true },
      axisLine: { lineStyle: { color: ink } },
    },
    yAxis: [
      {
        type: "value",
        min: defaults.min,
        max: stacked ? 1 : undefined,
        minInterval: stacked || defaults.decimals ? undefined : 1,
        axisLabel: { color: ink, formatter: (value) => amount(value, defaults.unit) },
        splitLine: { lineStyle: { color: dark() ? "#343a43" : "#d4d8de" } },
      },
      { type: "value", show: false, min: 0, max: 300 },
    ],
    series,
  };
}

// The line of a threshold that Grafana draws.
function border({ custom, thresholds }, { from, to }) {
  if (custom?.thresholdsStyle?.mode !== "line") return null;
  const limit = thresholds.steps.at(-1).value;
  return {
    type: "line",
    silent: true,
    showSymbol: false,
    tooltip: { show: false },
    lineStyle: { width: 1, type: "dashed", color: "#e02f44" },
    data: [[from, limit], [to, limit]],
  };
}

function totals(found) {
  const sums = new Map();
  for (const line of found) for (const [at, value] of line.points) sums.set(at, (sums.get(at) ?? 0) + value);
  return sums;
}

function tip(points, panel, found) {
  const box = document.createElement("div");
  const head = document.createElement("strong");
  const named = points.filter((point) => found.some((one) => one.name === point.seriesName));
  if (!named.length) return "";
  head.textContent = moment(named[0].value[0]);
  box.append(head);
  for (const point of [...named].sort((one, other) => other.value[1] - one.value[1]).slice(0, 20)) {
    const line = document.createElement("div");
    const unit = found.find((one) => one.name === point.seriesName)?.own.unit ?? panel.fieldConfig.defaults.unit;
    line.textContent = `${point.seriesName}: ${amount(point.value[1], unit)}`;
    line.style.borderLeft = `4px solid ${point.color}`;
    line.style.paddingLeft = "6px";
    box.append(line);
  }
  return box;
}

function table(panel, found, off, show) {
  const calculations = panel.options.legend?.calcs ?? [];
  const made = document.createElement("table");
  const head = made.createTHead().insertRow();
  for (const name of ["", ...calculations.map((one) => CALCULATIONS[one][0])]) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = name || "name";
    if (name) cell.className = "amount";
    head.append(cell);
  }
  const body = made.createTBody();
  found.forEach((line, place) => {
    const row = body.insertRow();
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", String(!off.has(line.name)));
    const mark = document.createElement("span");
    mark.className = "mark";
    mark.style.background = line.own["custom.drawStyle"] === "bars" ? "rgba(196, 22, 42, .5)" : colour(place);
    button.append(mark, line.name);
    button.addEventListener("click", () => {
      if (!off.delete(line.name)) off.add(line.name);
      button.setAttribute("aria-pressed", String(!off.has(line.name)));
      show();
    });
    row.insertCell().append(button);
    const values = line.points.map((point) => point[1]);
    for (const one of calculations) {
      const cell = row.insertCell();
      cell.className = "amount";
      cell.textContent = amount(CALCULATIONS[one][1](values), line.own.unit ?? panel.fieldConfig.defaults.unit);
    }
  });
  return made;
}
