// Pictures of figures over time, drawn at the width that is there; pointer and arrow keys read them second by second.
const NS = "http://www.w3.org/2000/svg";
const LEFT = 52;
const RIGHT = 16;
const TOP = 20;
const BOTTOM = 34;
const STRIP = 7;

export const duration = (ns) => {
  if (!known(ns)) return "–";
  for (const [unit, scale] of [["s", 1e9], ["ms", 1e6], ["µs", 1e3]]) {
    if (ns >= scale) return `${trimmed(ns / scale)} ${unit}`;
  }
  return `${Math.round(ns)} ns`;
};

export const rate = (value) => (known(value) ? grouped(value) : "–");

export const grouped = (value) =>
  value >= 100 || Number.isInteger(value) ? Math.round(value).toLocaleString("en").replaceAll(",", "\u202f") : trimmed(value);

const known = (value) => value !== null && value !== undefined;

const trimmed = (value) => String(Number(value.toPrecision(3)));

export const clock = (seconds) => {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
};

const make = (parent, name, attributes, text) => {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
};

const fixed = (value) => value.toFixed(1);

// Round steps for an axis from 0 to `most`, some four of them.
const steps = (most) => {
  const size = 10 ** Math.floor(Math.log10(most / 4));
  const step = [1, 2, 5, 10].map((factor) => factor * size).find((each) => most / each <= 5);
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, index) => index * step);
};

const SPANS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];

class Scale {
  // A linear axis from 0, or a logarithmic one over the values.
  constructor(values, logarithmic, height) {
    this.height = height;
    this.logarithmic = logarithmic;
    const shown = values.filter((value) => known(value) && (!logarithmic || value > 0));
    const most = shown.length ? Math.max(...shown) : 1;
    if (logarithmic) {
      this.low = 10 ** Math.floor(Math.log10(shown.length ? Math.min(...shown) : 1000));
      this.high = Math.max(10 ** Math.ceil(Math.log10(most * 1.02)), this.low * 10);
    } else {
      this.low = 0;
      this.high = most > 0 ? most * 1.12 : 1;
    }
  }

  at(value) {
    if (!known(value)) return null;
    const share = this.logarithmic
      ? (Math.log10(Math.max(value, this.low)) - Math.log10(this.low)) / (Math.log10(this.high) - Math.log10(this.low))
      : value / this.high;
    return TOP + (1 - share) * this.height;
  }

  ticks() {
    if (!this.logarithmic) return steps(this.high);
    const decades = Math.round(Math.log10(this.high / this.low));
    const each = decades > 5 ? 2 : 1;
    return Array.from({ length: Math.floor(decades / each) + 1 }, (_, index) => this.low * 10 ** (index * each));
  }
}

export class Chart {
  // `series` are bands {label, low, high, tone} and lines {label, key, tone, dashed}; keys are those of the points.
  constructor(ident, series, { logarithmic = false, format = rate } = {}) {
    Object.assign(this, { ident, series, logarithmic, format });
    this.place = document.getElementById(`chart-${ident}`);
    this.legend = document.getElementById(`legend-${ident}`);
    this.reading = document.getElementById(`reading-${ident}`);
    this.title = document.querySelector(`[data-chart="${ident}"] figcaption`).textContent;
    this.data = { points: [], pages: [], incidents: [], end: 0 };
    this.cursor = null;
    this.svg = make(this.place, "svg", { role: "img", tabindex: "0", "aria-label": `${this.title}: no figures yet` });
    this.values = series.map((each) => this.entry(each));
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => this.read(null));
    this.svg.addEventListener("blur", () => this.read(null));
    this.svg.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(this.place);
  }

  entry({ label, tone, dashed }) {
    const entry = document.createElement("span");
    entry.className = `entry t${tone}${dashed ? " dashed" : ""}`;
    const value = document.createElement("b");
    entry.append(label, " ", value);
    this.legend.append(entry);
    return value;
  }

  show(data) {
    this.data = data;
    this.draw();
  }

  draw() {
    const width = Math.floor(this.place.clientWidth);
    if (!width) return;
    const height = width < 480 ? 150 : 190;
    const { points, end } = this.data;
    const start = points.length && this.data.rolling ? Math.max(0, end - 600e9) : 0;
    this.inner = width - LEFT - RIGHT;
    this.time = { start, span: Math.max(end - start, 10e9) };
    this.scale = new Scale(this.everyValue(), this.logarithmic, height);
    this.svg.replaceChildren();
    for (const [name, value] of [["viewBox", `0 0 ${width} ${height + TOP + BOTTOM}`], ["width", width], ["height", height + TOP + BOTTOM]]) {
      this.svg.setAttribute(name, value);
    }
    this.bands(height);
    this.axes(width, height);
    for (const each of this.series) this.curve(each);
    this.mark = make(this.svg, "line", { class: "cursor", y1: TOP, y2: TOP + height, visibility: "hidden" });
    this.read(this.cursor, false);
  }

  everyValue() {
    const keys = this.series.flatMap((each) => [each.key, each.low, each.high]).filter(Boolean);
    return this.data.points.flatMap((point) => keys.map((key) => point[key]));
  }

  x(ns) {
    return LEFT + ((ns - this.time.start) / this.time.span) * this.inner;
  }

  axes(width, height) {
    for (const value of this.scale.ticks()) {
      const y = fixed(this.scale.at(value));
      make(this.svg, "line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y, y2: y });
      make(this.svg, "text", { class: "tick", x: LEFT - 7, y: Number(y) + 4, "text-anchor": "end" }, this.format(value));
    }
    const { start, span } = this.time;
    const wanted = span / 1e9 / Math.max(2, Math.floor(this.inner / 90));
    const step = SPANS.find((each) => each >= wanted) ?? SPANS.at(-1);
    for (let at = Math.ceil(start / 1e9 / step) * step; at <= (start + span) / 1e9; at += step) {
      const x = this.x(at * 1e9);
      // A label of an hour and more is some 40 pixels wide.
      const anchor = x > width - 22 ? "end" : "middle";
      make(this.svg, "text", { class: "tick", x: fixed(anchor === "end" ? width - 1 : x), y: TOP + height + 24, "text-anchor": anchor }, clock(at));
    }
    make(this.svg, "line", { class: "axis", x1: LEFT, x2: width - RIGHT, y1: TOP + height, y2: TOP + height });
  }

  // Incidents as labelled grounds; pages that were being made as ticks under the axis, and through the picture if long.
  bands(height) {
    const inside = (ns) => Math.min(Math.max(this.x(ns), LEFT), LEFT + this.inner);
    let free = -Infinity;
    for (const { kind, begin_ns: begin, end_ns: end } of this.data.incidents) {
      const [left, right] = [inside(begin), inside(Math.min(end, this.data.end))];
      if (right <= LEFT || begin > this.data.end) continue;
      make(this.svg, "rect", { class: "incident", x: fixed(left), y: TOP, width: fixed(Math.max(right - left, 2)), height });
      if (left < free) continue;
      make(this.svg, "text", { class: "tick", x: fixed(left), y: TOP - 6 }, kind);
      free = left + kind.length * 7 + 6;
    }
    const box = (left, right, top, tall) => `M${fixed(left)} ${top}h${fixed(Math.max(right - left, 1))}v${tall}H${fixed(left)}z`;
    let [ticks, grounds] = ["", ""];
    for (const [begin, end] of this.data.pages) {
      if (end < this.time.start) continue;
      const [left, right] = [inside(begin), inside(end)];
      if (right - left >= 2) grounds += box(left, right, TOP, height);
      ticks += box(left, right, TOP + height + 2, STRIP);
    }
    if (grounds) make(this.svg, "path", { class: "page", d: grounds });
    if (ticks) make(this.svg, "path", { class: "scrape", d: ticks });
  }

  curve({ key, low, high, tone, dashed }) {
    const runs = [[]];
    const points = this.data.points.filter((point) => point.t_ns >= this.time.start);
    // While the loop stands still there are no points, and a line across would show what nobody measured.
    const apart = points.length > 1 ? (3 * (points.at(-1).t_ns - points[0].t_ns)) / (points.length - 1) : 0;
    for (const [index, point] of points.entries()) {
      const top = this.scale.at(point[key ?? high]);
      if (index && point.t_ns - points[index - 1].t_ns > apart) runs.push([]);
      if (top === null) runs.push([]);
      else runs.at(-1).push([this.x(point.t_ns), top, low ? (this.scale.at(point[low]) ?? top) : top]);
    }
    for (const run of runs.filter((each) => each.length)) {
      const line = (place) => run.map((each) => `${fixed(each[0])} ${fixed(each[place])}`);
      if (low) {
        make(this.svg, "path", { class: `area t${tone}`, d: `M${line(1).join("L")}L${line(2).reverse().join("L")}Z` });
        make(this.svg, "path", { class: `line thin t${tone}`, d: `M${line(2).join("L")}` });
      }
      make(this.svg, "path", { class: `line t${tone}${dashed ? " dashed" : ""}`, d: `M${line(1).join("L")}` });
      if (run.length === 1) make(this.svg, "circle", { class: `dot t${tone}`, cx: fixed(run[0][0]), cy: fixed(run[0][1]), r: 2.5 });
    }
  }

  // Show in the legend the figures of one point, by default the last one; `aloud` for whoever hears the page.
  read(index, aloud = true) {
    const { points } = this.data;
    this.cursor = index === null || !points.length ? null : Math.min(Math.max(index, 0), points.length - 1);
    const point = points.at(this.cursor ?? -1);
    const words = this.series.map(({ key, low, high }) =>
      low && known(point?.[high]) ? `${this.format(point[low])} – ${this.format(point[high])}` : this.format(point?.[key]),
    );
    words.forEach((text, place) => {
      this.values[place].textContent = text;
    });
    if (!point || !this.mark) return;
    const said = `${clock(point.t_ns / 1e9)}: ${this.series.map((each, place) => `${each.label} ${words[place]}`).join(", ")}`;
    this.svg.setAttribute("aria-label", `${this.title}. At ${said}`);
    if (this.cursor === null) {
      this.mark.setAttribute("visibility", "hidden");
      return;
    }
    this.mark.setAttribute("visibility", "visible");
    for (const end of ["x1", "x2"]) this.mark.setAttribute(end, fixed(this.x(point.t_ns)));
    if (aloud) this.reading.textContent = said;
  }

  point(event) {
    const at = event.clientX - this.svg.getBoundingClientRect().left;
    let [best, nearest] = [null, Infinity];
    this.data.points.forEach((point, index) => {
      const distance = Math.abs(this.x(point.t_ns) - at);
      if (distance < nearest) [best, nearest] = [index, distance];
    });
    this.read(best, false);
  }

  key(event) {
    const last = this.data.points.length - 1;
    const now = this.cursor ?? last + 1;
    const to = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last, Escape: null }[event.key];
    if (to === undefined) return;
    this.read(to);
    event.preventDefault();
  }
}
