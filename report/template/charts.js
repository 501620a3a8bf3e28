// Puts an interactive chart in the place of each picture, once plotly.min.js has loaded; without
// it (a page sent alone, say) the pictures stay.
const figures = document.querySelectorAll("figure.chart");

async function draw(figure) {
  const { data, layout } = JSON.parse(figure.querySelector("script").textContent);
  const picture = figure.querySelector("img");
  const { width = 700, height = 400 } = layout;
  // Plotly writes into what it is given.
  const copy = structuredClone({ data, layout });
  const chart = document.createElement("div");
  picture.before(chart);
  // The page's width rules, so that a phone shows the whole chart; panels side by side scroll, to keep room for numbers.
  if (layout.grid) chart.style.minWidth = `${Math.min(width, 700)}px`;
  if (width > figure.clientWidth) delete layout.width;
  await Plotly.newPlot(chart, data, layout, { responsive: true, displaylogo: false });
  // One image to a screen reader; the buttons beside it stay buttons.
  const [drawing, ...layers] = chart.querySelectorAll(".main-svg");
  drawing.setAttribute("role", "img");
  drawing.setAttribute("aria-label", picture.alt);
  for (const layer of layers) layer.setAttribute("aria-hidden", "true");
  figure.classList.add("drawn");
  dispatchEvent(new Event("resize")); // what scrolls is marked
  // What is printed: a chart keeps the screen's width on paper, a picture does not.
  picture.src = await Plotly.toImage(copy, { format: "svg", width, height });
  picture.width = width;
  await picture.decode();
  figure.classList.add("printable");
}

if (figures.length > 0) {
  const script = document.createElement("script");
  script.src = "plotly.min.js";
  script.onload = () => figures.forEach(draw);
  document.head.append(script);
}
