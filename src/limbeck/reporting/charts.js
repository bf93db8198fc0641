"use strict";
// Draws every chart of the page from its Vega specification, as SVG, as wide as its box.
const options = { mode: "vega", renderer: "svg", actions: false, ast: true };
for (const box of document.querySelectorAll(".chart")) {
  const target = box.querySelector(".drawing");
  vegaEmbed(target, JSON.parse(box.querySelector("script").textContent), options).then(
    () => (box.dataset.state = "drawn"),
    (error) => {
      target.textContent = "This chart could not be drawn: " + error;
      box.dataset.state = "failed";
    },
  );
}
