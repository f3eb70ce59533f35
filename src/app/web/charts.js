// SPDX-License-Identifier: MIT
// Curves by Chart.js, which comes from our server when the training tab is first opened. Lines
// differ by dashes and by the marks in the legend, not by colour alone.
import { byId } from "./dom.js";
import { bind, t } from "./i18n.js";

const kStyles = [
  { color: "--series-1", dash: [], point: false, width: 2 },
  { color: "--series-2", dash: [7, 4], point: "circle", width: 2 },
  { color: "--series-3", dash: [2, 3], point: "triangle", width: 2 },
  { color: "--series-4", dash: [], point: false, width: 1 },
];

let loading = null;

const loadLibrary = () => {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "/app/chart.min.js";
    script.addEventListener("load", () => resolve(window.Chart));
    script.addEventListener("error", () => {
      loading = null;
      reject(new Error("chart.min.js"));
    });
    document.head.append(script);
  });
  return loading;
};

// Exponential mean that does not start from zero.
export const smooth = (values, share) => {
  let mean = 0;
  let weight = 0;
  return values.map((value) => {
    if (!Number.isFinite(value)) {
      return null;
    }
    mean = share * mean + (1 - share) * value;
    weight = share * weight + (1 - share);
    return mean / weight;
  });
};

const points = (steps, values) => steps.map((x, i) => ({ x, y: values[i] }));

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const dataset = ({ key, steps, values, style }) => {
  const look = kStyles[style];
  return { label: t(key), data: points(steps, values), borderColor: color(look.color),
    backgroundColor: color(look.color), borderDash: look.dash, borderWidth: look.width, tension: 0,
    pointRadius: look.point ? 3 : 0, pointStyle: look.point || "line", spanGaps: true };
};

const axes = (logarithmic) => {
  const paint = { color: color("--quiet") };
  const grid = { color: color("--line"), borderColor: color("--edge") };
  return {
    x: { type: "linear", ticks: { ...paint, maxTicksLimit: 7, maxRotation: 0 }, grid,
      title: { display: true, text: t("chart.step"), ...paint } },
    y: { type: logarithmic ? "logarithmic" : "linear", grid,
      ticks: { ...paint, maxTicksLimit: 6 } },
  };
};

export class Curve {
  constructor(id) {
    this.canvas = byId(id);
    this.chart = null;
  }

  // `series`: [{key, steps, values, style}]
  async draw(series, { logarithmic = false, label, parameters }) {
    bind(this.canvas, label, parameters, "aria-label");
    const Chart = await loadLibrary();
    const shown = series.filter(({ values }) => values.some(Number.isFinite));
    const options = {
      animation: false, responsive: true, maintainAspectRatio: false, parsing: false,
      normalized: true, interaction: { mode: "nearest", axis: "x", intersect: false },
      scales: axes(logarithmic),
      plugins: { legend: { display: shown.length > 1,
        labels: { color: color("--ink"), usePointStyle: false, boxWidth: 36, boxHeight: 0 } } },
    };
    const data = { datasets: shown.map(dataset) };
    if (this.chart) {
      Object.assign(this.chart, { options });
      this.chart.data = data;
      this.chart.update("none");
    } else {
      this.chart = new Chart(this.canvas, { type: "line", data, options });
    }
  }
}
