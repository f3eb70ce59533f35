// SPDX-License-Identifier: MIT
// The report's page: language, colours, charts, the table of all images. Everything that comes from
// the data is put in as text, never as markup.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const kPagedFrom = 500;  // rows
  const kPage = 100;
  const kMostBins = 30;

  let language = "en";
  let charts = [];

  const say = (key) => {
    const text = data.texts[key];
    return text ? text[language === "zh" ? 1 : 0] : key;
  };
  const words = (parts) => parts.map((part) => (part.key ? say(part.key) : part.data)).join("");

  // Storage is shut for files of some browsers.
  const remembered = (key) => {
    try {
      return localStorage.getItem("medaug." + key);
    } catch {
      return null;
    }
  };
  const remember = (key, value) => {
    try {
      localStorage.setItem("medaug." + key, value);
    } catch {
      // The choice lasts as long as the page.
    }
  };

  const make = (tag, attributes = {}, children = []) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };
  const text = (key, tag = "span") => make(tag, { "data-t": key }, [say(key)]);
  const named = (parts) =>
    parts.map((part) => (part.key ? text(part.key) : make("bdi", {}, [part.data])));

  // --- charts

  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const kFills = ["--bar-1", "--bar-2", "--bar-3"];

  const place = (parent, height, label) => {
    const box = make("div", { class: "canvas", role: "img", "aria-label": label });
    const canvas = make("canvas", { "aria-hidden": "true" });
    box.style.height = height + "px";
    box.append(canvas);
    parent.append(box);
    return canvas;
  };

  const axis = (extra = {}) => ({
    grid: { color: colour("--line") },
    ticks: { color: colour("--ink") },
    ...extra,
  });

  const draw = (canvas, config) => {
    config.options = {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      ...config.options,
    };
    charts.push(new Chart(canvas, config));
  };

  // Lines of a label: a long one would leave no room for its bar.
  const kLine = 18;  // characters
  const broken = (label) =>
    label.split(" ").reduce((lines, word) => {
      const last = lines.length - 1;
      const fits = last >= 0 && (lines[last] + " " + word).length <= kLine;
      return fits ? [...lines.slice(0, last), lines[last] + " " + word] : [...lines, word];
    }, []);

  // One bar for each label and series, named, so that it can be read without colours.
  const drawBars = (parent, chart) => {
    const labels = [], values = [], shown = [], intervals = [], fills = [];
    chart.labels.forEach((label, i) => {
      chart.series.forEach((series, s) => {
        if (series.values[i] === null) {
          return;
        }
        const several = chart.series.length > 1 ? broken(words(series.name)) : [];
        labels.push([...broken(words(label)), ...several]);
        values.push(series.values[i]);
        shown.push(series.shown[i]);
        intervals.push(series.intervals[i]);
        fills.push(colour(kFills[s % kFills.length]));
      });
    });
    if (values.length === 0) {
      return;
    }
    const title = words(chart.title);
    const spoken = labels.map((label, i) => label.join(" ") + ": " + shown[i]);
    const canvas = place(parent, 70 + 36 * values.length, title + ". " + spoken.join("; "));
    const ink = colour("--ink");
    draw(canvas, {
      type: "bar",
      data: {
        labels,
        datasets: [
          {
            label: say("page.line"),
            data: intervals,
            backgroundColor: ink,
            barThickness: 3,
            grouped: false,
            order: 0,
          },
          {
            label: title,
            data: values,
            backgroundColor: fills,
            borderColor: ink,
            borderWidth: 1,
            barThickness: 20,
            grouped: false,
            order: 1,
          },
        ],
      },
      options: {
        indexAxis: "y",
        scales: { x: axis({ beginAtZero: true }), y: axis({ grid: { display: false } }) },
        plugins: {
          legend: { display: false },
          title: { display: true, text: [title, say("page.line")], color: ink },
          tooltip: { callbacks: { label: (item) => shown[item.dataIndex] } },
        },
      },
    });
  };

  // The figures at the ends are written as the tables write them.
  const binned = (shown) => {
    const values = shown.map(Number);
    const low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b));
    const count = Math.min(kMostBins, Math.max(5, Math.ceil(Math.sqrt(values.length))));
    const width = (high - low) / count;
    const bins = new Array(count).fill(0);
    for (const value of values) {
      bins[Math.min(count - 1, Math.floor((value - low) / width))] += 1;
    }
    const edge = (i) => Number((low + i * width).toPrecision(3)).toString();
    const written = (value) => shown[values.indexOf(value)];
    const labels = bins.map((_, i) => edge(i) + " – " + edge(i + 1));
    return { bins, labels, range: written(low) + " – " + written(high) };
  };

  const drawHistogram = (parent, column, shown) => {
    const { bins, labels, range } = binned(shown);
    const name = words(column.name);
    const about = "n = " + shown.length + "; " + range;
    const canvas = place(parent, 230, say("page.histogram") + ": " + name + "; " + about);
    const ink = colour("--ink");
    draw(canvas, {
      type: "bar",
      data: {
        labels,
        datasets: [
          {
            label: say("page.images"),
            data: bins,
            backgroundColor: colour("--bar-1"),
            categoryPercentage: 1,
            barPercentage: 0.98,
          },
        ],
      },
      options: {
        scales: {
          x: axis({ grid: { display: false }, ticks: { color: ink, maxTicksLimit: 5,
            maxRotation: 0, callback: (_, i) => labels[i].split(" – ")[0] } }),
          y: axis({ beginAtZero: true, ticks: { color: ink, precision: 0 } }),
        },
        plugins: {
          legend: { display: false },
          title: { display: true, text: [name, about], color: ink },
        },
      },
    });
  };

  const numbersOf = (index) =>
    data.table.rows.map((row) => row[index])
      .filter((v) => v !== null && Number.isFinite(Number(v)));

  const drawHistograms = (parent) => {
    parent.replaceChildren();
    parent.className = "histograms";
    data.table.columns.forEach((column, index) => {
      const shown = column.numeric ? numbersOf(index) : [];
      if (new Set(shown).size > 1) {
        drawHistogram(parent, column, shown);
      }
    });
  };

  const drawCharts = () => {
    charts.forEach((chart) => chart.destroy());
    charts = [];
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    for (const parent of document.querySelectorAll("[data-chart]")) {
      parent.replaceChildren();
      drawBars(parent, data.charts[Number(parent.dataset.chart)]);
    }
    const histograms = document.getElementById("histograms-place");
    if (histograms) {
      drawHistograms(histograms);
    }
  };

  // --- the table of all images

  const view = { sort: null, down: false, page: 0, name: "", column: -1, least: NaN, most: NaN };

  const kept = (row) => {
    if (view.name && !String(row[0] ?? "").toLowerCase().includes(view.name)) {
      return false;
    }
    if (view.column < 0 || (Number.isNaN(view.least) && Number.isNaN(view.most))) {
      return true;
    }
    const value = row[view.column] === null ? NaN : Number(row[view.column]);
    return !Number.isNaN(value) && !(value < view.least) && !(value > view.most);
  };

  // What is absent comes last either way.
  const compared = (a, b) => {
    const x = a[view.sort], y = b[view.sort];
    if (x === null || y === null) {
      return x === y ? 0 : x === null ? 1 : -1;
    }
    const numeric = data.table.columns[view.sort].numeric;
    const order = numeric
      ? Number(x) - Number(y)
      : String(x).localeCompare(String(y), undefined, { numeric: true });
    return view.down ? -order : order;
  };

  const visibleRows = () => {
    const rows = data.table.rows.filter(kept);
    return view.sort === null ? rows : rows.sort(compared);
  };

  const shownValue = (value) =>
    typeof value === "boolean"
      ? text(value ? "value.true" : "value.false")
      : make("bdi", {}, [value ?? "–"]);

  const parts = {};  // of the table, filled once

  const showRows = () => {
    const rows = visibleRows();
    const size = data.table.rows.length > kPagedFrom ? kPage : rows.length;
    const pages = Math.max(1, Math.ceil(rows.length / Math.max(1, size)));
    view.page = Math.min(view.page, pages - 1);
    const first = view.page * size;
    const shown = rows.slice(first, first + size);
    parts.body.replaceChildren(
      ...shown.map((row) =>
        make("tr", {}, row.map((value, i) =>
          make(i === 0 ? "th" : "td", i === 0 ? { scope: "row" } : {},
            [shownValue(value)])))));
    parts.range.textContent = (rows.length ? first + 1 : 0) + " – " + (first + shown.length) + " / " +
      rows.length + " / " + data.table.rows.length;
    parts.pager.hidden = pages === 1;
    parts.previous.disabled = view.page === 0;
    parts.next.disabled = view.page === pages - 1;
    parts.heads.forEach((head, i) => head.setAttribute("aria-sort",
      view.sort !== i ? "none" : view.down ? "descending" : "ascending"));
  };

  const sortBy = (index) => {
    view.down = view.sort === index ? !view.down : false;
    view.sort = index;
    view.page = 0;
    showRows();
  };

  const headOf = (column, index) => {
    const button = make("button", { type: "button" }, named(column.name));
    button.addEventListener("click", () => sortBy(index));
    return make("th", { scope: "col", "aria-sort": "none" }, [button]);
  };

  const field = (key, input, change) => {
    input.addEventListener("input", () => {
      change(input.value);
      view.page = 0;
      showRows();
    });
    return make("label", {}, [text(key), " ", input]);
  };

  const numberOf = (value) => (value.trim() === "" ? NaN : Number(value));

  const filters = () => {
    const options = data.table.columns.flatMap((column, index) =>
      column.numeric ? [make("option", { value: index }, [words(column.name)])] : []);
    parts.column = make("select", {}, [make("option", { value: -1 }, ["–"]), ...options]);
    const number = () => make("input", { type: "number", step: "any" });
    return make("form", { class: "filters" }, [
      field("page.filter", make("input", { type: "search" }),
        (value) => { view.name = value.toLowerCase(); }),
      field("page.column", parts.column, (value) => { view.column = Number(value); }),
      field("page.least", number(), (value) => { view.least = numberOf(value); }),
      field("page.most", number(), (value) => { view.most = numberOf(value); }),
    ]);
  };

  const pager = () => {
    const turn = (key, by) => {
      const button = make("button", { type: "button" }, [text(key)]);
      button.addEventListener("click", () => {
        view.page += by;
        showRows();
      });
      return button;
    };
    parts.previous = turn("page.previous", -1);
    parts.next = turn("page.next", 1);
    return make("div", { class: "pager" }, [parts.previous, parts.next]);
  };

  const buildTable = (parent) => {
    parts.heads = data.table.columns.map(headOf);
    parts.body = make("tbody");
    parts.range = make("span", { "aria-live": "polite" });
    parts.pager = pager();
    const form = filters();
    form.addEventListener("submit", (event) => event.preventDefault());
    const table = make("table", { class: "images" },
      [make("thead", {}, [make("tr", {}, parts.heads)]), parts.body]);
    parent.append(form, make("p", {}, [text("page.shown"), ": ", parts.range]), parts.pager,
      make("div", { class: "scroll tall", tabindex: "0" }, [table]));
    showRows();
  };

  // --- language and colours

  const speak = (chosen) => {
    language = chosen;
    root.lang = chosen === "zh" ? "zh-Hans" : "en";
    document.title = say("page.title");
    for (const element of document.querySelectorAll("[data-t]")) {
      element.textContent = say(element.dataset.t);
    }
    for (const element of document.querySelectorAll("[data-alt]")) {
      element.alt = say(element.dataset.alt);
    }
    for (const element of document.querySelectorAll("[data-label]")) {
      element.setAttribute("aria-label", say(element.dataset.label));
    }
    for (const button of document.querySelectorAll("[data-language]")) {
      button.setAttribute("aria-pressed", String(button.dataset.language === chosen));
    }
    if (parts.column) {
      for (const option of parts.column.options) {
        if (option.value >= 0) {
          option.textContent = words(data.table.columns[option.value].name);
        }
      }
    }
    drawCharts();
  };

  const firstLanguage = () => {
    const asked = new URLSearchParams(location.search).get("lang") ?? remembered("language") ??
      navigator.language ?? "en";
    return asked.toLowerCase().startsWith("zh") ? "zh" : "en";
  };

  const paint = (theme) => {
    root.dataset.theme = ["light", "dark"].includes(theme) ? theme : "auto";
    document.getElementById("theme").value = root.dataset.theme;
  };

  const start = () => {
    const table = document.getElementById("images-place");
    if (table) {
      buildTable(table);
    }
    document.querySelector(".switches").hidden = false;
    for (const button of document.querySelectorAll("[data-language]")) {
      button.addEventListener("click", () => {
        remember("language", button.dataset.language);
        speak(button.dataset.language);
      });
    }
    document.getElementById("theme").addEventListener("change", (event) => {
      remember("theme", event.target.value);
      paint(event.target.value);
      drawCharts();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawCharts);
    // Paper is white.
    let before = "auto";
    addEventListener("beforeprint", () => {
      before = root.dataset.theme;
      paint("light");
      drawCharts();
    });
    addEventListener("afterprint", () => {
      paint(before);
      drawCharts();
    });
    paint(new URLSearchParams(location.search).get("theme") ?? remembered("theme"));
    speak(firstLanguage());
  };

  start();
})();
