// What is shown stands in the address, so that a link shows the same.

export function read() {
  const query = new URLSearchParams(location.search);
  const variables = {};
  for (const name of new Set(query.keys())) {
    if (name.startsWith("var-")) variables[name.slice(4)] = query.getAll(name);
  }
  return { from: query.get("from"), to: query.get("to"), refresh: query.get("refresh"), variables };
}

export function query(state) {
  const parts = new URLSearchParams();
  if (state.from) parts.set("from", state.from);
  if (state.to) parts.set("to", state.to);
  for (const [name, values] of Object.entries(state.variables)) {
    for (const value of values) parts.append(`var-${name}`, value);
  }
  return parts;
}

export function write(state) {
  const parts = query(state);
  if (state.refresh) parts.set("refresh", state.refresh);
  const text = parts.toString();
  history.replaceState(null, "", text ? `?${text}` : location.pathname);
}
