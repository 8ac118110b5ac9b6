// The page of one dashboard.
import * as controls from "./controls.js";
import * as grid from "./grid.js";
import * as address from "./state.js";

const uid = location.pathname.split("/").pop();
const root = document.documentElement;
let state = address.read();
let timer = null;
let dashboard = null;

root.dataset.theme =
  localStorage.getItem("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

const theme = document.createElement("button");
theme.type = "button";
theme.id = "theme";
theme.addEventListener("click", () => {
  root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
  named();
  look();
});
const named = () => (theme.textContent = root.dataset.theme === "dark" ? "Light" : "Dark");
named();

async function json(path) {
  const response = await fetch(path);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

async function begin() {
  const [all, found] = await Promise.all([json("/api/dashboards"), json(`/api/dashboards/${uid}`)]);
  dashboard = found;
  document.title = `${dashboard.title} · citypulse`;
  document.getElementById("title").textContent = dashboard.title;
  document.getElementById("about").textContent = dashboard.description;
  document.getElementById("dashboards").replaceChildren(
    ...all.map(({ uid: other, title }) => {
      const link = document.createElement("a");
      link.href = `/d/${other}`;
      link.textContent = title;
      if (other === uid) link.setAttribute("aria-current", "page");
      return link;
    }),
  );
  grid.lay(document.getElementById("panels"), dashboard);
  await look();
}

async function look() {
  clearTimeout(timer);
  const trouble = document.getElementById("trouble");
  const query = address.query(state);
  try {
    const answer = await json(`/api/dashboards/${uid}/variables?${query}`);
    trouble.hidden = true;
    const form = document.getElementById("controls");
    const open = [...form.querySelectorAll("details[open]")].map((one) => one.id);
    controls.show(form, dashboard, answer, state, theme, changed);
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    await grid.fill(dashboard, query);
  } catch (error) {
    trouble.hidden = false;
    trouble.textContent = error instanceof TypeError ? "The board does not answer." : error.message;
  }
  document.body.dataset.looked = String(Date.now());
  if (state.refresh !== "off") timer = setTimeout(look, Number(state.refresh || 60) * 1000);
}

function changed(next) {
  state = next;
  address.write(state);
  look();
}

addEventListener("resize", () => grid.resize());
begin();
