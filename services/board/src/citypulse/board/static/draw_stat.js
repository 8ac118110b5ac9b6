// One number, large.
import { CALCULATIONS, amount } from "./format.js";
import { lines } from "./series.js";

export function draw(body, panel, answer) {
  const [line] = lines(answer.frames, []);
  if (!line?.points.length) return null;
  const [, calculate] = CALCULATIONS[panel.options.reduceOptions.calcs[0]];
  const made = document.createElement("div");
  made.className = "number";
  made.textContent = amount(calculate(line.points.map((point) => point[1])), panel.fieldConfig.defaults.unit);
  body.replaceChildren(made);
  return made;
}
