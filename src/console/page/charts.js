// Charts by Chart.js, in the colours of the page, which follow the system's scheme.

const { Chart } = globalThis;
const dark = matchMedia('(prefers-color-scheme: dark)');
const charts = new Set();

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

Chart.defaults.animation = false;
Chart.defaults.maintainAspectRatio = false;
Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
Chart.defaults.font.size = 12;

dark.addEventListener('change', () => {
  for (const refresh of charts) refresh();
});

/**
 * @param {HTMLCanvasElement} canvas - its label is what those hear who do not see it
 * @param {{ type: 'line' | 'bar', stacked?: boolean, ticks?: number, format?: (value: number) => string }} options
 * @returns what sets labels, series (each with the name of a colour), the label of the whole, and which labels the axis shows:
 *   by default as many as there is room for
 */
export function chartIn(canvas, { type, stacked = false, ticks = 8, format = String }) {
  const chart = new Chart(canvas, {
    type,
    data: { labels: [], datasets: [] },
    options: {
      interaction: { mode: 'index', intersect: false },
      layout: { padding: { top: 4 } },
      scales: {
        x: {
          stacked,
          border: { display: false },
          grid: { display: false },
          ticks: { maxRotation: 0, autoSkipPadding: 16, maxTicksLimit: ticks },
        },
        y: {
          stacked,
          beginAtZero: true,
          border: { display: false },
          ticks: { precision: 0, maxTicksLimit: 5, padding: 8, callback: format },
        },
      },
      plugins: {
        legend: {
          align: 'start',
          labels: {
            boxWidth: 10,
            boxHeight: 10,
            useBorderRadius: true,
            borderRadius: 3,
            padding: 16,
          },
        },
        tooltip: {
          padding: 10,
          cornerRadius: 6,
          boxPadding: 4,
          callbacks: {
            label: ({ dataset, parsed }) => `${dataset.label}: ${format(parsed.y)}`,
          },
        },
      },
    },
  });
  let series = [];

  const paint = () => {
    const { scales, plugins } = chart.options;
    for (const axis of Object.values(scales)) axis.ticks.color = colour('--muted');
    scales.y.grid.color = colour('--line');
    plugins.legend.labels.color = colour('--ink');
    plugins.tooltip.backgroundColor = colour('--ink');
    plugins.tooltip.titleColor = colour('--surface');
    plugins.tooltip.bodyColor = colour('--surface');
    for (const [i, { colour: name, fill }] of series.entries()) {
      const line = colour(name);
      Object.assign(chart.data.datasets[i], {
        borderColor: type === 'line' ? line : colour('--surface'),
        backgroundColor: type === 'line' ? (fill ? colour(`${name}-soft`) : line) : line,
      });
    }
    chart.update();
  };
  charts.add(paint);

  return ({ labels, series: wanted, label, isMarked = null }) => {
    series = wanted;
    chart.data.labels = labels;
    Object.assign(chart.options.scales.x.ticks, {
      autoSkip: isMarked === null,
      callback: (_, i) => (isMarked === null || isMarked(labels[i]) ? labels[i] : null),
    });
    chart.data.datasets = series.map(({ name, values, fill = false }) => ({
      label: name,
      data: values,
      ...(type === 'line'
        ? { fill, borderWidth: 1.75, pointRadius: 0, pointHitRadius: 8, tension: 0.25 }
        : { borderRadius: 3, borderWidth: stacked ? { top: 1 } : 0, maxBarThickness: 28 }),
    }));
    canvas.setAttribute('aria-label', label);
    paint();
  };
}
