// The status page: asks for /api/status every second and shows what has changed.
// Whatever came from a peer becomes text, never markup: nothing here makes HTML from strings.
"use strict";

const INTERVAL = 1000;
const LATE = 15000;
const SVG = "http://www.w3.org/2000/svg";
const DAY = 86400;

const $ = (id) => document.getElementById(id);
const shown = new Map();
let token = sessionStorage.getItem("token");
let heard = 0;

// -- texts ----------------------------------------------------------------------------------------------------------

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dateAndClock = new Intl.DateTimeFormat(undefined, {
  year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit",
});
const day = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });
const numbers = new Intl.NumberFormat();

function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  while (count >= 999.5 && unit < units.length - 1) {
    count /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || count >= 99.5 ? 0 : 1;
  return `${count.toFixed(digits)} ${units[unit]}`;
}

function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < DAY) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  const days = Math.floor(whole / DAY);
  return days === 1 ? "1 day" : `${numbers.format(days)} days`;
}

function when(seconds, now) {
  const date = new Date(seconds * 1000);
  return now - seconds < DAY / 2 ? clock.format(date) : dateAndClock.format(date);
}

// A table shows the first rows, until somebody wants them all.
const SHORT = { problems: 10, studies: 25, senders: 25 };
const unfolded = new Set();

function counted(count, one, many) {
  return `${numbers.format(count)} ${count === 1 ? one : many}`;
}

// -- elements -------------------------------------------------------------------------------------------------------

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function drawn(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function mark(text, state) {
  return element("span", text, { class: "mark", "data-state": state });
}

// A table is a list of columns: title, class, and what makes the text or the element of a cell. The roles are those that
// the elements have by themselves, but lose where the style sheet makes lists of them.
function table(id, columns, rows) {
  const target = $(id);
  target.hidden = rows.length === 0;
  target.parentNode.querySelector(".none").hidden = rows.length !== 0;
  target.setAttribute("role", "table");
  const head = element("tr", undefined, { role: "row" });
  for (const column of columns) {
    head.append(element("th", column.title, { scope: "col", role: "columnheader", ...(column.kind && { class: column.kind }) }));
  }
  const body = element("tbody", undefined, { role: "rowgroup" });
  const most = unfolded.has(id) ? rows.length : SHORT[id] ?? rows.length;
  for (const row of rows.slice(0, most)) {
    const line = element("tr", undefined, { role: "row", ...(row.past && { class: "past" }) });
    for (const column of columns) {
      const cell = element("td", undefined, { role: "cell", "data-label": column.title, ...(column.kind && { class: column.kind }) });
      const content = column.cell(row);
      if (content !== "" && content !== null) cell.append(content);
      line.append(cell);
    }
    body.append(line);
  }
  const top = element("thead", undefined, { role: "rowgroup" });
  top.append(head);
  target.replaceChildren(top, body);
  offerMore(target, rows.length, most);
}

function offerMore(target, all, shownRows) {
  target.parentNode.querySelector(".more")?.remove();
  if (all <= shownRows) return;
  const button = element("button", `Show all ${numbers.format(all)}`, { type: "button", class: "more" });
  button.addEventListener("click", () => {
    unfolded.add(target.id);
    shown.delete(target.id);
    ask().catch(() => state("bad", "No answer from the receiver"));
  });
  target.after(button);
}

// -- parts ----------------------------------------------------------------------------------------------------------

function sender(row) {
  return row.calling_ae_title || "(unnamed)";
}

function showState(facts) {
  const { receiver, associations } = facts;
  $("where").textContent = receiver.port ? `on port ${receiver.port}` : "";
  if (receiver.obstacles.length) {
    state("bad", `Not ready: ${receiver.obstacles.join("; ")}`);
  } else if (associations.length) {
    state("busy", `Receiving from ${counted(associations.length, "peer", "peers")}`);
  } else {
    state("ready", "Ready");
  }
}

function state(kind, text) {
  const target = $("state");
  if (target.textContent !== text) target.textContent = text;
  target.dataset.state = kind;
}

function showTiles(facts) {
  const { receiver, totals, associations } = facts;
  const peers = totals.associations_rejected + totals.connections_refused;
  const failed = Object.values(totals.commands).reduce((sum, each) => sum + each.failed, 0);
  const tiles = [
    ["Rate", `${bytes(receiver.rate)}/s`, counted(associations.length, "association", "associations")],
    ["Objects", numbers.format(totals.objects), bytes(totals.bytes)],
    ["Objects refused", numbers.format(totals.objects_refused), counted(peers, "peer refused", "peers refused")],
    ["Aborted", numbers.format(totals.associations_aborted), totals.associations_aborted === 1 ? "association" : "associations"],
  ];
  if (failed) tiles.push(["Commands", `${numbers.format(failed)} failed`, "", true]);
  if (totals.events_dropped) {
    tiles.push(["Not counted", numbers.format(totals.events_dropped), "events were lost", true]);
  }
  if (receiver.page_restarted !== null) {
    tiles.push(["Page started again", when(receiver.page_restarted, receiver.time), "what was before is not counted", true]);
  }
  if (receiver.disk_free !== null) {
    const part = receiver.disk_size ? receiver.disk_free / receiver.disk_size : 0;
    tiles.push(["Free on disk", bytes(receiver.disk_free), `${(100 * part).toFixed(0)} % of ${bytes(receiver.disk_size)}`, part < 0.05]);
  }
  if (receiver.certificate_expiry !== null) {
    const left = receiver.certificate_expiry - receiver.time;
    const date = day.format(new Date(receiver.certificate_expiry * 1000));
    tiles.push(["Certificate", left > 0 ? duration(left) : "has ended", `until ${date}`, left < 30 * DAY]);
  }
  tiles.push(["Running for", duration(receiver.time - receiver.started), `since ${when(receiver.started, receiver.time)}`]);
  $("tiles").replaceChildren(...tiles.map(([title, value, more, bad]) => {
    const tile = element("div", undefined, bad ? { class: "bad" } : {});
    tile.append(element("dt", title), element("dd", value), element("dd", more));
    return tile;
  }));
}

// Bars stand for whole multiples of their length, so that they move on but do not change their height.
function bars(throughput, length) {
  const size = length / throughput.slot;
  const first = throughput.start / throughput.slot;
  const found = new Map();
  throughput.bytes.forEach((count, index) => {
    const number = Math.floor((first + index) / size);
    const bar = found.get(number) ?? { start: number * length, bytes: 0, objects: 0 };
    bar.bytes += count;
    bar.objects += throughput.objects[index];
    found.set(number, bar);
  });
  return [...found.values()];
}

function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((limit) => limit >= value * 0.9999);
}

function showChart(facts) {
  const chart = $("chart");
  const { throughput } = facts;
  const { width, height } = chart.getBoundingClientRect();
  if (!width) return;
  const length = width > 700 ? 30 : 60;
  const list = bars(throughput, length);
  const rates = list.map((bar) => bar.bytes / length);
  const top = roundUp(Math.max(1000, ...rates));
  const left = 66, right = 6, above = 8, below = 22;
  const inner = { width: width - left - right, height: height - above - below };
  const step = inner.width / list.length;
  const y = (rate) => above + inner.height * (1 - rate / top);
  const parts = [];
  for (const part of [0, 0.5, 1]) {
    parts.push(drawn("line", { x1: left, x2: width - right, y1: y(top * part), y2: y(top * part) }));
    parts.push(drawn("text", { x: left - 6, y: y(top * part) + 4, "text-anchor": "end" }, `${bytes(top * part)}/s`));
  }
  const minutes = throughput.slot * throughput.bytes.length / 60;
  for (let ago = minutes; ago >= 0; ago -= width > 500 ? 15 : 30) {
    const x = left + inner.width * (1 - ago / minutes);
    const anchor = ago === minutes ? "start" : ago === 0 ? "end" : "middle";
    parts.push(drawn("text", { x, y: height - 5, "text-anchor": anchor }, ago ? `${ago} min ago` : "now"));
  }
  list.forEach((bar, index) => {
    if (!bar.objects) return;
    // The least that came is to be seen.
    const tall = Math.max(2, inner.height * rates[index] / top);
    const drawnBar = drawn("rect", {
      x: left + index * step + step * 0.1, width: step * 0.8, y: above + inner.height - tall, height: tall,
      "data-bytes": bar.bytes,
    });
    const at = clock.format(new Date(bar.start * 1000));
    drawnBar.append(drawn("title", {}, `${at}: ${counted(bar.objects, "object", "objects")}, ${bytes(bar.bytes)}`));
    parts.push(drawnBar);
  });
  const objects = throughput.objects.reduce((sum, each) => sum + each, 0);
  const received = throughput.bytes.reduce((sum, each) => sum + each, 0);
  const text = `${counted(objects, "object", "objects")}, ${bytes(received)}; at most ${bytes(Math.max(...rates))} a second`;
  chart.setAttribute("viewBox", `0 0 ${width} ${height}`);
  chart.replaceChildren(drawn("title", { id: "chart-text" }, text), ...parts);
}

function showAssociations(facts) {
  const now = facts.receiver.time;
  const columns = [
    { title: "From", kind: "title", cell: (row) => sender(row) },
    { title: "Address", kind: "long", cell: (row) => row.peer + (row.tls ? " (TLS)" : "") },
    { title: "To", kind: "title", cell: (row) => row.called_ae_title },
    { title: "Study", kind: "long", cell: (row) => studyName(row, row.patient) },
    { title: "Objects", kind: "number", cell: (row) => numbers.format(row.objects) },
    { title: "Size", kind: "number", cell: (row) => bytes(row.bytes) },
    { title: "Rate", kind: "number", cell: (row) => `${bytes(row.rate)}/s` },
    { title: "Since", kind: "number", cell: (row) => duration(now - row.since) },
  ];
  table("associations", columns, facts.associations);
}

function studyName(row, patient) {
  if (row.study === null) return "";
  return patient === undefined ? `no. ${row.study}` : `no. ${row.study}, ${patient || "no name"}`;
}

function showStudies(facts) {
  const now = facts.receiver.time;
  const identified = facts.receiver.identifiers_shown;
  const columns = [
    { title: "No.", cell: (row) => numbers.format(row.study) },
    { title: "State", cell: stateOf },
    ...(identified ? [
      { title: "Patient, study UID", kind: "long", cell: patientOf },
    ] : []),
    { title: "From", kind: "title", cell: (row) => sender(row) },
    { title: "Objects", cell: (row) => Object.entries(row.modalities).map(([name, count]) => `${numbers.format(count)} ${name}`).join(", ") },
    { title: "Size", kind: "number", cell: (row) => bytes(row.bytes) },
    { title: "Took", kind: "number", cell: (row) => duration(row.last - row.first) },
    { title: "Last object", kind: "number", cell: (row) => when(row.last, now) },
    { title: "Commands", cell: (row) => commandsOf(row.commands) },
  ];
  table("studies", columns, facts.studies);
}

function stateOf(row) {
  const round = row.round > 1 ? `, round ${row.round}` : "";
  const { failed, failing } = row.commands;
  const command = failed ? ", command failed" : failing ? ", command keeps failing" : "";
  return mark(row.state + round + command, command ? "bad" : row.state);
}

function patientOf(row) {
  const parts = element("div");
  const uid = element("span", row.study_instance_uid, { class: "quiet" });
  parts.append(row.patient || "(no name)", element("br"), uid);
  return parts;
}

function commandsOf({ running, ended, failed, repeated }) {
  const parts = document.createDocumentFragment();
  if (ended) parts.append(`${numbers.format(ended)} run `);
  if (running) parts.append(`${numbers.format(running)} running `);
  if (repeated) parts.append(`${counted(repeated, "failed attempt", "failed attempts")} `);
  if (failed) parts.append(element("span", `${numbers.format(failed)} failed`, { class: "bad-text" }));
  return parts.childNodes.length ? parts : "";
}

// What has not happened for a day is still told, but is no open problem any more.
function openProblems(facts) {
  return facts.problems.filter((row) => facts.receiver.time - row.last < DAY).length;
}

function showProblems(facts) {
  const now = facts.receiver.time;
  const columns = [
    { title: "When", kind: "time", cell: (row) => when(row.last, now) },
    { title: "Times", kind: "number", cell: (row) => numbers.format(row.count) },
    { title: "What", cell: (row) => row.kind },
    { title: "From", kind: "long", cell: (row) => [row.calling_ae_title, row.peer].filter(Boolean).join(", ") },
    { title: "Why", kind: "long", cell: (row) => reason(row, now) },
  ];
  table("problems", columns, facts.problems.map((row) => ({ ...row, past: now - row.last >= DAY })));
  const open = openProblems(facts);
  const text = counted(open, "problem", "problems");
  $("problems-count").textContent = facts.problems.length ? `${numbers.format(open)} in the last 24 hours` : "none";
  $("problems-link").textContent = text;
  $("problems-link").hidden = open === 0;
  document.title = open ? `(${numbers.format(open)}) storescp` : "storescp";
  // It opens and closes with the first and the last of them; in between it stays as somebody wants it.
  const box = $("problems-box");
  if ((box.dataset.has === "yes") !== open > 0) {
    box.dataset.has = open > 0 ? "yes" : "no";
    box.open = open > 0;
  }
}

function reason(row, now) {
  const earlier = row.examples.slice(1).filter((each) => each.why);
  if (!earlier.length) return row.why || row.detail;
  const parts = element("div");
  const list = element("ul");
  for (const each of earlier) list.append(element("li", `${when(each.time, now)}: ${each.why}`));
  const more = element("details");
  more.append(element("summary", "before"), list);
  parts.append(row.why || row.detail, more);
  return parts;
}

function showSenders(facts) {
  const now = facts.receiver.time;
  const columns = [
    { title: "From", cell: (row) => row.calling_ae_title || "(unnamed)" },
    { title: "Associations", kind: "number", cell: (row) => numbers.format(row.associations) },
    { title: "Objects", kind: "number", cell: (row) => numbers.format(row.objects) },
    { title: "Size", kind: "number", cell: (row) => bytes(row.bytes) },
    { title: "Refused", kind: "number", cell: (row) => numbers.format(row.objects_refused) },
    { title: "Last", kind: "number", cell: (row) => when(row.last, now) },
  ];
  const rows = Object.entries(facts.totals.by_calling_ae_title)
    .map(([calling_ae_title, totals]) => ({ calling_ae_title, ...totals }))
    .sort((one, other) => other.last - one.last);
  table("senders", columns, rows);
}

// Parts that did not change stay as they are: who reads or selects is not disturbed.
function showIfChanged(name, value, show, facts) {
  const text = JSON.stringify(value);
  if (shown.get(name) === text) return;
  shown.set(name, text);
  show(facts);
}

function show(facts) {
  $("token-form").hidden = true;
  $("facts").hidden = false;
  const hour = Math.floor(facts.receiver.time / 3600);
  const columnsNeed = facts.receiver.identifiers_shown ? 960 : 736;
  document.body.classList.toggle("lists", window.innerWidth < columnsNeed);
  showState(facts);
  showTiles(facts);
  showIfChanged("chart", [facts.throughput, window.innerWidth], showChart, facts);
  showAssociations(facts);
  showIfChanged("studies", [facts.studies, hour], showStudies, facts);
  showIfChanged("problems", [facts.problems, hour], showProblems, facts);
  showIfChanged("senders", [facts.totals, hour], showSenders, facts);
  $("footer").textContent = `storescp ${facts.receiver.version ?? ""} ·`;
}

// -- asking ---------------------------------------------------------------------------------------------------------

async function ask() {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch("api/status", { headers, cache: "no-store", signal: AbortSignal.timeout(LATE) });
  if (answer.status === 401) {
    askForToken();
    return;
  }
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  show(await answer.json());
  heard = Date.now();
}

function askForToken() {
  const form = $("token-form");
  $("token-wrong").hidden = token === null;
  $("facts").hidden = true;
  state("unknown", "Locked");
  if (form.hidden) {
    form.hidden = false;
    $("token").focus();
  }
  token = null;
  sessionStorage.removeItem("token");
}

async function update() {
  if (!document.hidden && $("token-form").hidden) {
    try {
      await ask();
    } catch {
      state("bad", heard ? `No answer from the receiver since ${clock.format(new Date(heard))}` : "No answer from the receiver");
    }
  }
  setTimeout(update, INTERVAL);
}

$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  sessionStorage.setItem("token", token);
  $("token").value = "";
  ask().catch(() => state("bad", "No answer from the receiver"));
});

update();
