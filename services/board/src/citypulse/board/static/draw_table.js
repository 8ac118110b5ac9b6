// Rows, in the order of the query.
import { amount, moment } from "./format.js";
import { rows } from "./series.js";

export function draw(body, panel, answer) {
  const found = rows(answer.frames, panel.transformations ?? []);
  if (!found.rows.length) return null;
  const made = document.createElement("table");
  const head = made.createTHead().insertRow();
  for (const column of found.columns) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = column.shown;
    if (column.type === "number") cell.className = "amount";
    head.append(cell);
  }
  const lines = made.createTBody();
  for (const row of found.rows) {
    const line = lines.insertRow();
    row.forEach((value, place) => {
      const cell = line.insertCell();
      const { type } = found.columns[place];
      if (type === "number") cell.className = "amount";
      cell.textContent = type === "number" ? amount(value) : type === "time" ? moment(value) : value;
    });
  }
  body.replaceChildren(made);
  return made;
}
