// Draws each <figure data-chart> from its table: the first column are labels, each further one is a row of bars.
// data-limit is a line across, named data-limit-name. data-tone on a column's head says how its bars look: "brand", "soft" to stand back, "part-1" to "part-5" for parts of a whole, "others" and "unknown" for what is left of it. Figures are in data-value; the texts of cells are what people read.
"use strict";

function colors() {
  const style = getComputedStyle(document.documentElement);
  const named = (name) => style.getPropertyValue(name).trim();
  return {
    bars: [named("--brand"), named("--soft"), named("--warn"), named("--good")],
    limit: named("--bad"),
    line: named("--line"),
    brand: named("--brand"),
    soft: named("--line"),
    "part-1": named("--part-1"),
    "part-2": named("--part-2"),
    "part-3": named("--part-3"),
    "part-4": named("--part-4"),
    "part-5": named("--part-5"),
    others: named("--soft"),
    unknown: named("--line"),
    text: named("--soft"),
  };
}

// A legend has one line for each name, and a phone has no long ones.
function short(name) {
  const characters = [...name];
  return characters.length > 28 ? `${characters.slice(0, 27).join("")}…` : name;
}

// Draws each dataset that is a line from side to side, on whichever day a chart begins and ends.
const acrossTheChart = {
  id: "acrossTheChart",
  afterDatasetsDraw(chart) {
    const { ctx, chartArea, data, scales } = chart;
    for (const [index, line] of data.datasets.entries()) {
      if (line.type !== "line" || !line.data.length || !chart.isDatasetVisible(index)) continue;
      const y = scales.y.getPixelForValue(line.data[0]);
      ctx.save();
      ctx.beginPath();
      ctx.strokeStyle = line.borderColor;
      ctx.lineWidth = line.borderWidth;
      ctx.setLineDash(line.borderDash);
      ctx.moveTo(chartArea.left, y);
      ctx.lineTo(chartArea.right, y);
      ctx.stroke();
      ctx.restore();
    }
  },
};

function draw(figure) {
  const table = figure.querySelector("table");
  const headCells = [...table.querySelectorAll("thead th")];
  const heads = headCells.map((cell) => cell.textContent.trim());
  const rows = [...table.querySelectorAll("tbody tr")].map((row) => [...row.children]);
  const look = colors();
  const labels = rows.map((cells) => cells[0].textContent.trim());
  const shown = (column, row) => rows[row][column].textContent.trim();
  const datasets = heads.slice(1).map((label, index) => ({
    label: short(label),
    data: rows.map((cells) => Number(cells[index + 1].dataset.value)),
    backgroundColor: look[headCells[index + 1].dataset.tone] ?? look.bars[index % look.bars.length],
    borderRadius: 3,
    maxBarThickness: 28,
  }));
  if (figure.dataset.limit) {
    datasets.push({
      type: "line",
      label: figure.dataset.limitName,
      data: labels.map(() => Number(figure.dataset.limit)),
      borderColor: look.limit,
      borderDash: [6, 4],
      borderWidth: 2,
      pointRadius: 0,
      pointHitRadius: 0,
      // On a first day there is one point, and no line between points: acrossTheChart draws it.
      showLine: false,
    });
  }
  const place = document.createElement("div");
  place.className = "chart";
  const canvas = document.createElement("canvas");
  // The table says the same, so a screen reader passes over the drawing.
  canvas.setAttribute("aria-hidden", "true");
  place.append(canvas);
  figure.prepend(place);
  const stacked = figure.dataset.chart === "stacked";
  const chart = new Chart(canvas, {
    type: "bar",
    plugins: [acrossTheChart],
    data: { labels, datasets },
    options: {
      animation: false,
      maintainAspectRatio: false,
      color: look.text,
      interaction: { mode: "index", intersect: false },
      scales: {
        x: { stacked, grid: { display: false }, ticks: { color: look.text, maxRotation: 0 } },
        y: { stacked, beginAtZero: true, grid: { color: look.line }, ticks: { color: look.text, maxTicksLimit: 5 } },
      },
      plugins: {
        legend: { display: datasets.length > 1, labels: { boxWidth: 12 } },
        tooltip: {
          callbacks: {
            label: (item) =>
              item.datasetIndex < heads.length - 1
                ? `${item.dataset.label}: ${shown(item.datasetIndex + 1, item.dataIndex)}`
                : item.dataset.label,
          },
        },
      },
    },
  });
  return { figure, chart, place };
}

if (window.Chart) {
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  const all = () => [...document.querySelectorAll("figure[data-chart]")].map(draw);
  let drawn = all();
  for (const { figure } of drawn) figure.querySelector("details")?.removeAttribute("open");
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const each of drawn) {
      each.chart.destroy();
      each.place.remove();
    }
    drawn = all();
  });
}
