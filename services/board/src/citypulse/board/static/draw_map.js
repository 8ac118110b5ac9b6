// Circles on the outlines of countries, as large as what they stand for.
import { echarts, feature } from "./vendor/charts.min.js";
import { amount, colour, dark } from "./format.js";
import { rows } from "./series.js";

let outlines = null;

async function world() {
  outlines ??= fetch("/static/vendor/world.json")
    .then((answer) => answer.json())
    .then((topology) => echarts.registerMap("world", whole(feature(topology, topology.objects.countries))));
  await outlines;
}

const ANTARCTICA = "010";

// A ring that crosses the date line goes on beyond it, instead of back around the world.
function whole(countries) {
  const features = countries.features.filter((country) => country.id !== ANTARCTICA);
  for (const { geometry } of features) {
    const polygons = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
    for (const ring of polygons.flat()) {
      const crosses = ring.some(([lon], place) => place > 0 && Math.abs(lon - ring[place - 1][0]) > 180);
      if (crosses) for (const point of ring) if (point[0] < 0) point[0] += 360;
    }
  }
  return { ...countries, features };
}

export async function draw(body, panel, answer) {
  const found = rows(answer.frames, panel.transformations ?? []);
  if (!found.rows.length) return null;
  await world();
  const place = (name) => found.columns.findIndex((column) => column.name === name);
  const [name, lat, lon] = ["name", "lat", "lon"].map(place);
  const style = panel.options.layers[0].config.style.size;
  const size = place(style.field);
  const most = Math.max(...found.rows.map((row) => row[size]), 1);
  const canvas = document.createElement("div");
  canvas.className = "chart";
  body.replaceChildren(canvas);
  const chart = echarts.init(canvas);
  chart.setOption({
    animation: false,
    aria: { enabled: true, label: { description: `${panel.title}: ${found.rows.length} cities on a map` } },
    geo: {
      map: "world",
      roam: true,
      silent: true,
      itemStyle: dark()
        ? { areaColor: "#262b33", borderColor: "#434a55" }
        : { areaColor: "#e6e9ed", borderColor: "#c3c9d1" },
    },
    tooltip: { confine: true, formatter: ({ data }) => tip(found, data.row, name) },
    series: [
      {
        type: "scatter",
        coordinateSystem: "geo",
        itemStyle: { color: colour(0), opacity: 0.6 },
        // An area that is twice as large stands for twice as many.
        symbolSize: (_, point) => style.min + (style.max - style.min) * Math.sqrt(point.data.row[size] / most),
        data: found.rows.map((row) => ({ value: [row[lon], row[lat]], row })),
      },
    ],
  });
  return chart;
}

function tip(found, row, name) {
  const box = document.createElement("div");
  const head = document.createElement("strong");
  head.textContent = row[name];
  box.append(head);
  found.columns.forEach((column, place) => {
    if (column.type !== "number" || ["lat", "lon"].includes(column.name)) return;
    const line = document.createElement("div");
    line.textContent = `${column.shown}: ${amount(row[place])}`;
    box.append(line);
  });
  return box;
}
