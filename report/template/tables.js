// What scrolls sideways can be reached by the keyboard, and has a name.
for (const table of document.querySelectorAll(".jp-RenderedMarkdown table")) {
  const box = document.createElement("div");
  box.className = "wide";
  table.replaceWith(box);
  box.append(table);
}

const boxes = [...document.querySelectorAll(".wide, .jp-OutputArea-child")];

function markBoxes() {
  for (const [i, box] of boxes.entries()) {
    const scrolls = box.scrollWidth > box.clientWidth;
    const kind = box.querySelector("table") ? "Table" : "Output";
    const title = box.querySelector("caption")?.textContent ?? "";
    const attributes = { tabindex: 0, role: "region", "aria-label": `${kind} ${i + 1} ${title}` };
    for (const [name, value] of Object.entries(attributes)) {
      if (scrolls) box.setAttribute(name, value);
      else box.removeAttribute(name);
    }
  }
}

markBoxes();
addEventListener("resize", markBoxes);
