// What is shown: variables, time range, refresh, theme.

const RANGES = [
  ["now-1h", "now", "Last hour"],
  ["now-6h", "now", "Last 6 hours"],
  ["now-24h", "now", "Last 24 hours"],
  ["now-2d", "now", "Last 2 days"],
  ["now-7d", "now", "Last 7 days"],
  ["now-30d", "now", "Last 30 days"],
  ["now-400d", "now", "Last 400 days"],
];
const OWN = "own";

// Draw them anew; `changed` is called with what the state becomes.
export function show(form, dashboard, answer, state, theme, changed) {
  const parts = (dashboard.templating.list ?? [])
    .filter((variable) => variable.hide !== 2)
    .map((variable) => control(variable, answer, state, changed));
  parts.push(...range(dashboard, state, changed), refresh(state, changed), theme);
  form.replaceChildren(...parts);
}

function control(variable, answer, state, changed) {
  const choices = answer.choices[variable.name] ?? [];
  const chosen = state.variables[variable.name] ?? current(variable, answer);
  const options = choices.map(([value, text]) => ({ value, text }));
  if (variable.includeAll) options.unshift({ value: "$__all", text: variable.multi ? "The ten largest" : "All" });
  const change = (values) => changed({ ...state, variables: { ...state.variables, [variable.name]: values } });
  return variable.multi ? several(variable, options, chosen, change) : single(variable, options, chosen, change);
}

function current(variable, answer) {
  const value = answer.values[variable.name];
  if (variable.includeAll) return ["$__all"];
  return Array.isArray(value) ? value : [value];
}

function single(variable, options, chosen, change) {
  const select = document.createElement("select");
  for (const { value, text } of options) select.append(new Option(text, value, false, chosen.includes(value)));
  select.addEventListener("change", () => change([select.value]));
  return labelled(variable.label, select);
}

function several(variable, options, chosen, change) {
  const made = document.createElement("details");
  made.id = `choose-${variable.name}`;
  const summary = document.createElement("summary");
  const shown = options.filter((one) => chosen.includes(one.value)).map((one) => one.text);
  summary.textContent = `${variable.label}: ${shown.length > 2 ? `${shown.length} chosen` : shown.join(", ")}`;
  const choices = document.createElement("div");
  choices.className = "choices";
  const find = document.createElement("input");
  find.type = "search";
  find.placeholder = "Find";
  find.setAttribute("aria-label", `Find in ${variable.label}`);
  const list = document.createElement("div");
  const draw = () => {
    const wanted = find.value.toLocaleLowerCase();
    const some = options.filter((one) => chosen.includes(one.value) || one.text.toLocaleLowerCase().includes(wanted));
    list.replaceChildren(...some.slice(0, 200).map((one) => box(one, chosen, change)));
  };
  find.addEventListener("input", draw);
  draw();
  choices.append(find, list);
  made.append(summary, choices);
  return made;
}

function box({ value, text }, chosen, change) {
  const input = document.createElement("input");
  input.type = "checkbox";
  input.value = value;
  input.checked = chosen.includes(value);
  input.addEventListener("change", () => {
    if (value === "$__all") return change(["$__all"]);
    const rest = chosen.filter((one) => one !== value && one !== "$__all");
    const next = input.checked ? [...rest, value] : rest;
    return change(next.length ? next : ["$__all"]);
  });
  const made = document.createElement("label");
  made.append(input, text);
  return made;
}

function range(dashboard, state, changed) {
  const from = state.from ?? dashboard.time.from;
  const to = state.to ?? dashboard.time.to;
  const select = document.createElement("select");
  const known = RANGES.some(([since, until]) => since === from && until === to);
  for (const [since, until, text] of RANGES) {
    select.append(new Option(text, `${since} ${until}`, false, since === from && until === to));
  }
  select.append(new Option("From … to …", OWN, false, !known));
  const ends = [from, to].map((moment, place) => {
    const input = document.createElement("input");
    input.type = "datetime-local";
    input.value = local(moment);
    input.addEventListener("change", () => {
      const values = ends.map((one) => String(new Date(one.querySelector("input").value).getTime()));
      if (!values.includes("NaN")) changed({ ...state, from: values[0], to: values[1] });
    });
    const made = labelled(place ? "To" : "From", input);
    made.hidden = known;
    return made;
  });
  select.addEventListener("change", () => {
    if (select.value === OWN) {
      for (const one of ends) one.hidden = false;
      return;
    }
    const [since, until] = select.value.split(" ");
    changed({ ...state, from: since, to: until });
  });
  return [labelled("Time", select), ...ends];
}

function refresh(state, changed) {
  const select = document.createElement("select");
  for (const [value, text] of [["", "every minute"], ["10", "every 10 s"], ["off", "never"]]) {
    select.append(new Option(text, value, false, (state.refresh ?? "") === value));
  }
  select.addEventListener("change", () => changed({ ...state, refresh: select.value || null }));
  return labelled("Refresh", select);
}

function labelled(text, input) {
  const made = document.createElement("label");
  made.append(text, input);
  return made;
}

function local(moment) {
  const relative = /^now(?:-(\d+)([smhdw]))?$/.exec(moment);
  const unit = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };
  const ms = relative ? Date.now() - (Number(relative[1] ?? 0) * unit[relative[2] ?? "s"]) * 1000 : Number(moment);
  const shifted = new Date(ms - new Date(ms).getTimezoneOffset() * 60000);
  return shifted.toISOString().slice(0, 16);
}
