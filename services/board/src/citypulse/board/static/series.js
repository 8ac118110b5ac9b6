// Frames as a panel's drawing wants them: lines over time, or rows of a table.

export function lines(frames, overrides) {
  const found = [];
  for (const frame of frames) {
    const time = frame.fields.find((field) => field.type === "time");
    if (!time) continue;
    for (const field of frame.fields.filter((one) => one.type === "number")) {
      const points = time.values.map((at, place) => [at, field.values[place]]);
      // The newest windows come first.
      points.sort((one, other) => one[0] - other[0]);
      found.push({ name: frame.name, points, own: own(overrides, frame.name) });
    }
  }
  return found.sort((one, other) => total(other) - total(one) || one.name.localeCompare(other.name));
}

export function rows(frames, transformations) {
  const [frame] = frames;
  if (!frame) return { columns: [], rows: [] };
  let places = frame.fields[0].values.map((_, place) => place);
  let columns = frame.fields.map((field) => ({ ...field, shown: field.name }));
  for (const { id, options } of transformations) {
    if (id === "filterByValue") places = places.filter((place) => !excluded(options, frame, place));
    if (id === "organize") columns = organized(options, columns);
  }
  return { columns, rows: places.map((place) => columns.map((column) => column.values[place])) };
}

function own(overrides, name) {
  const found = overrides.find((one) => one.matcher.id === "byName" && one.matcher.options === name);
  return Object.fromEntries((found?.properties ?? []).map((one) => [one.id, one.value]));
}

const total = (line) => line.points.reduce((sum, [, value]) => sum + value, 0);

function organized(options, columns) {
  const order = options.indexByName ?? {};
  return columns
    .filter((column) => !options.excludeByName?.[column.name])
    .sort((one, other) => (order[one.name] ?? 99) - (order[other.name] ?? 99))
    .map((column) => ({ ...column, shown: options.renameByName?.[column.name] ?? column.name }));
}

// What Grafana's transformation of that name leaves out: rows in which all conditions hold.
function excluded(options, frame, place) {
  return options.filters.every(({ fieldName, config }) => {
    const field = frame.fields.find((one) => one.name === fieldName);
    return field !== undefined && config.id === "equal" && field.values[place] === config.options.value;
  });
}
