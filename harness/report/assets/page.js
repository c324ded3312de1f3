// Says what stands under the pointer, or under the arrow keys, in a picture. Without it the tables say the same.
(() => {
  "use strict";
  const tip = document.getElementById("tip");
  const NS = "http://www.w3.org/2000/svg";

  const show = (svg, ring, point) => {
    const [x, y, text] = point;
    ring.setAttribute("cx", x);
    ring.setAttribute("cy", y);
    ring.removeAttribute("visibility");
    tip.textContent = text;
    tip.hidden = false;
    const at = new DOMPoint(x, y).matrixTransform(svg.getScreenCTM());
    const box = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, at.x - box.width / 2), innerWidth - box.width - 8);
    const above = at.y - box.height - 12;
    tip.style.left = `${left}px`;
    tip.style.top = `${above > 4 ? above : at.y + 14}px`;
  };

  for (const svg of document.querySelectorAll("svg[data-points]")) {
    const points = JSON.parse(svg.dataset.points);
    const ring = document.createElementNS(NS, "circle");
    ring.setAttribute("r", "8");
    ring.setAttribute("class", "ring");
    ring.setAttribute("visibility", "hidden");
    svg.append(ring);
    let current = -1;

    // A title element would pop up beside our own words, so it becomes a label.
    const title = svg.querySelector("title");
    svg.setAttribute("aria-label", title.textContent);
    svg.setAttribute("aria-describedby", svg.querySelector("desc").id);
    svg.removeAttribute("aria-labelledby");
    title.remove();

    const hide = () => {
      ring.setAttribute("visibility", "hidden");
      tip.hidden = true;
      current = -1;
    };
    const go = (index) => {
      current = Math.min(Math.max(0, index), points.length - 1);
      show(svg, ring, points[current]);
    };

    svg.addEventListener("pointermove", (event) => {
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      let best = -1;
      let nearest = 60 * 60;
      points.forEach(([x, y], index) => {
        const distance = (x - at.x) ** 2 + (y - at.y) ** 2;
        if (distance < nearest) [best, nearest] = [index, distance];
      });
      if (best < 0) hide();
      else if (best !== current) go(best);
    });
    svg.addEventListener("pointerleave", hide);
    svg.setAttribute("tabindex", "0");
    svg.addEventListener("blur", hide);
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") hide();
      else if (event.key === "Home") go(0);
      else if (event.key === "End") go(points.length - 1);
      else if (step) go(current + step);
      else return;
      event.preventDefault();
    });
  }
})();
