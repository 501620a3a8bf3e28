// Puts an interactive chart in the place of each picture, once plotly.min.js has loaded; without
// it (a page sent alone, say) the pictures stay.
const figures = document.querySelectorAll("figure.chart");
if (figures.length > 0) {
  const script = document.createElement("script");
  script.src = "plotly.min.js";
  script.onload = () => {
    for (const figure of figures) {
      const { data, layout } = JSON.parse(figure.querySelector("script").textContent);
      const chart = document.createElement("div");
      figure.querySelector("img").replaceWith(chart);
      // The page's width rules, so that a phone shows the whole chart.
      if (layout.width > figure.clientWidth) delete layout.width;
      globalThis.Plotly.newPlot(chart, data, layout, { responsive: true, displaylogo: false });
    }
  };
  document.head.append(script);
}
