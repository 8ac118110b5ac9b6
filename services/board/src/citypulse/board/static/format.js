// Numbers, times and colours as they are shown.

const COLOURS = [
  "#1f60c4", "#c4162a", "#2f8132", "#b35c00", "#8f3bb8", "#00838f", "#ad1457", "#5d6d1e", "#6d4c41", "#37474f",
];
const DARK = [
  "#7eb0ff", "#ff7383", "#73bf69", "#ffa657", "#ca95e5", "#4dd0e1", "#f48fb1", "#c0ca33", "#bcaaa4", "#90a4ae",
];
const plain = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const fine = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 2 });

export const dark = () => document.documentElement.dataset.theme === "dark";

export const colour = (place) => (dark() ? DARK : COLOURS)[place % COLOURS.length];

export function amount(value, unit) {
  if (unit === "percentunit") return `${plain.format(value * 100)} %`;
  if (unit === "s") return `${value !== 0 && Math.abs(value) < 0.1 ? fine.format(value) : plain.format(value)} s`;
  if (unit === "ops") return `${plain.format(value)}/s`;
  if (unit === "bytes") {
    const step = value > 0 ? Math.min(4, Math.floor(Math.log(value) / Math.log(1024))) : 0;
    return `${plain.format(value / 1024 ** step)} ${["B", "KiB", "MiB", "GiB", "TiB"][step]}`;
  }
  return plain.format(value);
}

export const moment = (ms) => new Date(ms).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

export const CALCULATIONS = {
  lastNotNull: ["last", (values) => values.at(-1)],
  max: ["max", (values) => values.reduce((most, one) => Math.max(most, one), -Infinity)],
  sum: ["total", (values) => values.reduce((all, one) => all + one, 0)],
};
