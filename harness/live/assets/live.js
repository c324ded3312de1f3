// Fills the live page from the run's stream of events, and sends what its buttons ask for.
import { Chart, clock, duration, grouped, rate } from "./chart.js";

const byId = (ident) => document.getElementById(ident);
const token = document.querySelector('meta[name="harness-token"]').content;
// Longer than this without a word, and the connection is taken to be dead.
const SILENCE_MS = 6000;
const AGAIN_MS = 1000;
const OUTCOMES = { conserved: "✓ conserved", not_conserved: "✗ not conserved", not_verified: "! not verified" };

const charts = [
  new Chart("rate", [
    { label: "scheduled", key: "target_rate", tone: 5, dashed: true },
    { label: "sent", key: "rate", tone: 0 },
  ]),
  new Chart("lag", [{ label: "lag", low: "lag_p50_ns", high: "lag_p99_ns", tone: 4 }], { logarithmic: true, format: duration }),
  new Chart("latency", [
    { label: "response", low: "response_p50_ns", high: "response_p99_ns", tone: 3 },
    { label: "service", low: "service_p50_ns", high: "service_p99_ns", tone: 2 },
  ], { logarithmic: true, format: duration }),
];

const run = { about: {}, points: [], pages: new Map(), incidents: [], now: null, result: null, over: false };

const put = (ident, text) => {
  const element = byId(ident);
  if (element && element.textContent !== text) element.textContent = text;
};

const state = (text, tone = "") => {
  put("state", text);
  byId("state").className = tone;
};

const note = (text) => {
  const item = document.createElement("li");
  const link = text.match(/^(.*?)(https?:\/\/\S+)(.*)$/);
  if (link) {
    const anchor = document.createElement("a");
    anchor.href = link[2];
    anchor.rel = "noreferrer";
    anchor.target = "_blank";
    // "name: address" becomes a link of that name.
    const name = link[3] ? "" : link[1].match(/^([^:]+): $/)?.[1];
    anchor.textContent = name || link[2];
    item.append(name ? "" : link[1], anchor, link[3]);
  } else {
    item.textContent = text;
  }
  byId("notes").prepend(item);
  while (byId("notes").children.length > 50) byId("notes").lastChild.remove();
};

const tiles = (now) => {
  put("tile-rate", rate(now.rate));
  put("more-rate", now.target_rate === null ? "lines/s, closed loop" : `of ${rate(now.target_rate)} lines/s`);
  put("tile-lines", grouped(now.offered));
  put("more-lines", `${grouped(now.processed)} processed${now.dropped ? `, ${grouped(now.dropped)} dropped` : ""}`);
  for (const name of ["lag", "service", "response"]) put(`tile-${name}`, duration(now[`${name}_p99_ns`]));
  put("tile-failed", grouped(now.failed));
  put("more-failed", now.offered ? `${((100 * now.failed) / now.offered).toFixed(1)} % of the lines` : "refused or raised");
  put("tile-scrapes", grouped(now.scrapes));
  put("more-scrapes", `${now.failed_scrapes ? `${grouped(now.failed_scrapes)} failed` : "none failed"}${lastPage()}`);
  byId("more-scrapes").classList.toggle("bad", now.failed_scrapes > 0);
};

const lastPage = () => {
  const last = [...run.pages].at(-1);
  return last ? `, a page takes ${duration(last[1] - last[0])}` : "";
};

// Lists are made anew only when they have changed.
const shown = {};
const same = (name, value) => {
  const text = JSON.stringify(value);
  const before = shown[name];
  shown[name] = text;
  return before === text;
};

const errors = (kinds) => {
  if (same("errors", kinds)) return;
  const rows = Object.entries(kinds).sort((one, other) => other[1] - one[1]);
  const most = rows.length ? rows[0][1] : 1;
  byId("errors-none").hidden = rows.length > 0;
  byId("errors-rows").replaceChildren(...rows.map(([kind, count]) => {
    const item = document.createElement("li");
    const bar = document.createElement("meter");
    [bar.min, bar.max, bar.value] = [0, most, count];
    bar.setAttribute("aria-hidden", "true");
    const [name, number] = [document.createElement("span"), document.createElement("b")];
    name.textContent = kind;
    number.textContent = grouped(count);
    item.append(name, bar, number);
    return item;
  }));
};

const workers = (rows) => {
  if (same("workers", rows ?? [])) return;
  byId("workers").hidden = !rows?.length;
  byId("workers-rows").replaceChildren(...(rows ?? []).map((each) => {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = each.number;
    const cells = [
      grouped(each.offered), rate(each.rate), grouped(each.failed), grouped(each.dropped),
      duration(each.lag_p99_ns), duration(each.service_p99_ns), duration(each.response_p99_ns),
    ].map((text) => {
      const cell = document.createElement("td");
      cell.className = "number";
      cell.textContent = text;
      return cell;
    });
    row.append(head, ...cells);
    return row;
  }));
};

const drawAll = () => {
  const last = Math.max(run.now?.elapsed_ns ?? 0, run.points.at(-1)?.t_ns ?? 0);
  drawn = performance.now();
  const data = { points: run.points, pages: [...run.pages], incidents: run.incidents, end: last, rolling: run.about.rolling };
  for (const chart of charts) chart.show(data);
};

let waiting = false;
// Pictures change by the second; drawing them more often would only take processor time from the run.
const REDRAW_MS = 1000;
let drawn = 0;
const draw = () => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    drawAll();
  });
};

const takePages = (pages) => {
  for (const [begin, end] of pages) run.pages.set(begin, end);
  while (run.pages.size > 600) run.pages.delete(run.pages.keys().next().value);
};

const takeNow = (now) => {
  if (!now || run.result) return;
  run.now = now;
  takePages(now.pages);
  tiles(now);
  errors(now.errors);
  workers(now.workers);
  const { duration_ns: planned, count } = run.about;
  put("clock", `${clock(now.elapsed_ns / 1e9)}${planned ? ` of ${clock(planned / 1e9)}` : ""}`);
  const done = planned ? now.elapsed_ns / planned : count ? now.offered / count : null;
  byId("done").hidden = done === null;
  if (done !== null) byId("done").value = Math.min(1, done);
  const active = run.incidents.filter(({ begin_ns: begin, end_ns: end }) => begin <= now.elapsed_ns && now.elapsed_ns < end);
  if (active.length) state(`Incident: ${active.map(({ kind }) => kind).join(", ")}`, "warning");
  else state("Sending", "good");
  put("tile-audit", "–");
  put("more-audit", "follows the last line");
  if (performance.now() - drawn >= REDRAW_MS) draw();
};

const takePhase = (text) => {
  if (!text || run.result) return;
  state(text.charAt(0).toUpperCase() + text.slice(1), "");
  if (run.now) {
    put("tile-audit", "…");
    put("more-audit", text);
    byId("done").value = 1;
  }
};

const takeIncident = (incident) => {
  run.incidents.push(incident);
  if (run.incidents.length > 100) run.incidents.shift();
  if (byId("switched")) put("switched", `${incident.kind} since ${clock(incident.begin_ns / 1e9)}, until ${clock(incident.end_ns / 1e9)}`);
  draw();
};

const takeResult = (result) => {
  if (!result) return;
  run.result = result;
  tiles(result);
  errors(result.errors);
  if (result.scrape_ms !== null) {
    put("more-scrapes", `${grouped(result.failed_scrapes)} failed, each ${duration(result.scrape_ms * 1e6)} at the median`);
  }
  const valid = result.verdict === "valid";
  const failed = !valid || (result.audit !== null && result.audit !== "conserved");
  put("tile-audit", OUTCOMES[result.audit] ?? "–");
  put("more-audit", result.audit === null ? "nothing to compare" : `compared: ${result.compared.join(", ") || "nothing"}`);
  if (byId("tile-audit")) byId("tile-audit").className = `value ${result.audit === "conserved" ? "good" : result.audit === null ? "" : "bad"}`;
  const words = [valid ? "VALID" : "INVALID"];
  if (result.audit) words.push(OUTCOMES[result.audit].slice(2));
  if (result.interrupted) words.unshift("Interrupted");
  state(words.join(", "), failed ? "bad" : "good");
  byId("done").value = 1;
  // The run's own writer has made it from a tree, with every word from outside escaped.
  byId("result").innerHTML = result.html;
  byId("result").hidden = false;
  if (byId("incidents")) byId("incidents").hidden = true;
  // The account has their final figures.
  byId("workers").hidden = true;
};

const takeEnd = (text) => {
  if (!text || run.result) return;
  state(text, "");
};

const takeStays = (seconds) => {
  if (!seconds) return;
  byId("close").hidden = false;
};

const over = () => {
  run.over = true;
  stream.close();
  clearTimeout(silence);
  byId("close").hidden = true;
  for (const button of document.querySelectorAll("[data-kind]")) button.disabled = true;
  put("link", "the command has ended; this is the last state");
  byId("link").className = "";
};

const takeHistory = (history) => {
  Object.assign(run, { about: history.about, points: history.points, incidents: history.incidents, pages: new Map(history.pages), result: null });
  byId("notes").replaceChildren();
  history.notes.forEach(note);
  takeNow(history.now);
  takePhase(history.phase);
  takeEnd(history.end);
  takeResult(history.result);
  takeStays(history.stays_s);
  if (history.about.stoppable && !history.result && !history.end) {
    byId("close").textContent = "Stop";
    byId("close").hidden = false;
  }
  byId("done").hidden = !(history.about.duration_ns || history.about.count);
  draw();
};

const takePoint = (point) => {
  run.points.push(point);
  if (run.about.rolling && run.points.length > 600) run.points.shift();
  draw();
};

const HANDLERS = {
  history: takeHistory, now: takeNow, point: takePoint, phase: takePhase, note, incident: takeIncident,
  result: takeResult, end: takeEnd, stays_s: takeStays, bye: over, beat: () => {},
};

let stream = null;
let silence = 0;
let connections = 0;
let tries = 0;

const listen = () => {
  clearTimeout(silence);
  silence = setTimeout(connect, SILENCE_MS);
};

const connect = () => {
  stream?.close();
  if (run.over) return;
  stream = new EventSource("/events");
  tries += 1;
  document.documentElement.dataset.tries = tries;
  listen();
  stream.onopen = () => {
    connections += 1;
    document.documentElement.dataset.connections = connections;
    put("link", "live");
    byId("link").className = "on";
  };
  stream.onerror = () => {
    if (run.over) return;
    put("link", "connection lost, trying again");
    byId("link").className = "off";
    // The browser tries again by itself, except after some errors.
    if (stream.readyState === EventSource.CLOSED) {
      clearTimeout(silence);
      silence = setTimeout(connect, AGAIN_MS);
    }
  };
  for (const [name, handle] of Object.entries(HANDLERS)) {
    stream.addEventListener(name, (event) => {
      listen();
      handle(JSON.parse(event.data));
    });
  }
};

const send = async (path, body, said) => {
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Harness-Token": token },
      body: JSON.stringify(body),
    });
    said(answer.ok ? "" : await answer.text());
  } catch {
    said("The run cannot be reached.");
  }
};

for (const button of document.querySelectorAll("[data-kind]")) {
  button.addEventListener("click", () => {
    put("switched", `${button.dataset.kind}: asked for`);
    const lasting = Number(byId("lasting").value) * 1e9;
    send("/incident", { kind: button.dataset.kind, duration_ns: lasting }, (words) => words && put("switched", words));
  });
}
byId("close").addEventListener("click", () => {
  byId("close").disabled = true;
  send("/close", {}, (words) => {
    byId("close").disabled = Boolean(words) === false;
    if (words) put("link", words);
  });
});
connect();
