/* The switches, and the address that holds a choice so that it can be cited. */
/* ---- the address ---- */

const LEAD = "#choice&";
const keys = new Map();
data.envelopes.forEach((envelope, e) => {
  envelope.factors.forEach((factor, f) => {
    factor.levels.forEach((level, l) => keys.set(`${envelope.name}.${factor.name}=${level}`, [off[e].levels[f], l]));
  });
  envelope.digests.forEach((digest, c) => keys.set(`${envelope.name}@${digest}`, [off[e].members, c]));
});

function writeAddress() {
  const chosen = [...keys].flatMap(([key, [set, place]]) => (set.has(place) ? [["off", key]] : []));
  const text = chosen.length ? LEAD + new URLSearchParams([["card", data.digest], ...chosen]) : "#";
  if (text !== (location.hash || "#")) history.replaceState(null, "", text);
}

function readAddress() {
  if (!location.hash.startsWith(LEAD)) return;
  const params = new URLSearchParams(location.hash.slice(LEAD.length));
  clear();
  const unknown = params.getAll("off").filter((key) => {
    const found = keys.get(key);
    if (found) found[0].add(found[1]);
    return !found;
  });
  const notes = [
    params.get("card") !== data.digest ? "The address was written for another card; it is applied as far as names agree." : "",
    unknown.length ? `It names what this card does not have: ${unknown.slice(0, 3).join(", ")}.` : "",
  ];
  document.getElementById("choice-note").textContent = notes.filter(Boolean).join(" ");
  show();
}

function clear() {
  for (const { levels, members } of off) {
    levels.forEach((set) => set.clear());
    members.clear();
  }
  document.getElementById("choice-note").textContent = "";
}

function changed() {
  show();
  writeAddress();
}

/* ---- the switchboard of an envelope ---- */

const boards = [];
const toggle = (set, place, on) => (on ? set.delete(place) : set.add(place));

function box(label, set, place) {
  const input = el("input", { type: "checkbox" });
  input.addEventListener("change", () => { toggle(set, place, input.checked); changed(); });
  return { node: el("label", {}, input, " ", named(label)), sync: () => { input.checked = !set.has(place); } };
}

function button(text, act) {
  const node = el("button", { type: "button" }, text);
  node.addEventListener("click", () => { act(); changed(); });
  return node;
}

function board(e) {
  const envelope = data.envelopes[e];
  const boxes = [];
  const group = (name, entries) => {
    boxes.push(...entries);
    return el("fieldset", {}, el("legend", {}, named(name)), entries.map((entry) => entry.node));
  };
  const factors = envelope.factors.map((factor, f) =>
    group(factor.name, factor.levels.map((level, l) => box(level, off[e].levels[f], l))));
  const singles = el("details", { class: "singles" }, el("summary", {}, "Single configurations"));
  singles.addEventListener("toggle", () => {
    if (singles.querySelector("fieldset")) return;
    singles.append(group("Configurations", envelope.digests.map((digest, c) =>
      box(`${digest}: ${settingsText(envelope, c)}`, off[e].members, c))));
    showSwitches();
  });
  const summary = el("summary", {});
  const node = el("details", { class: "board" }, summary,
    el("p", { class: "small soft" }, "Take out what you would not have run. Counts, rates, witnesses and rankings of this benchmark follow at once, and the address of the page holds your choice."),
    el("p", { class: "tools" }, tools(e)), factors, singles);
  boards[e] = () => {
    summary.textContent = `Contest this envelope: ${switchedOn(e).length} of ${envelope.configurations.length} configurations are on`;
    boxes.forEach((entry) => entry.sync());
  };
  return node;
}

function tools(e) {
  const envelope = data.envelopes[e];
  const restore = () => { off[e].levels.forEach((set) => set.clear()); off[e].members.clear(); };
  const found = [button("Switch all on", restore)];
  const core = envelope.core.filter(Boolean).length;
  if (core && core < envelope.core.length) {
    found.push(button("Core tier only", () => { restore(); envelope.core.forEach((one, c) => one || off[e].members.add(c)); }));
  }
  const cited = data.packages.flatMap((name, k) => (envelope.factors.some((factor) => factor.packages.flat().includes(k)) ? [[name, k]] : []));
  if (cited.length) found.push(shippedBy(e, restore, cited));
  return found;
}

function shippedBy(e, restore, cited) {
  const select = el("select", {}, el("option", { value: "" }, "any package"), cited.map(([name, k]) => el("option", { value: String(k) }, name)));
  select.addEventListener("change", () => {
    restore();
    if (select.value) {
      data.envelopes[e].factors.forEach((factor, f) => {
        const ships = factor.packages.map((packages) => packages.includes(Number(select.value)));
        if (ships.includes(true)) ships.forEach((one, l) => one || off[e].levels[f].add(l));
      });
    }
    changed();
  });
  return el("label", { title: "Only levels for which the card cites this package; a factor about which it is silent stays as it is." },
    "Only what is shipped by ", select);
}

function showSwitches() {
  boards.forEach((sync) => sync());
}

/* ---- start ---- */

function nameMark(event) {
  const mark = event.target.closest?.("g.marks > *");
  if (!mark || mark.querySelector("title")) return;
  const group = mark.parentNode;
  const article = mark.closest("[data-pair]");
  const question = data.questions[Number(mark.closest("[data-question]").dataset.question)];
  const place = [...group.children].indexOf(mark);
  const c = group.dataset.order ? Number(group.dataset.order.split(" ")[place]) : place;
  const gap = gapsOf(question, Number(article.dataset.pair))[c];
  const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
  const told = gap === null ? "not measured for both" : `difference ${minus((gap > 0 ? "+" : "") + gap.toFixed(3))}`;
  title.textContent = `${settingsText(data.envelopes[question.envelope], c)}: ${told}`;
  mark.append(title);
}

function keepChoice(event) {
  const link = event.target.closest?.('a[href^="#"]');
  const target = link && document.body.classList.contains("partial") && document.getElementById(link.getAttribute("href").slice(1));
  if (!target) return;
  event.preventDefault();
  target.tabIndex = -1;
  target.focus();
  target.scrollIntoView();
}

every("[data-envelope]").forEach((place) => {
  const e = Number(place.dataset.envelope);
  if (data.envelopes[e].configurations.length < 2) return;
  place.replaceChildren(board(e));
  place.hidden = false;
});
document.getElementById("restore").addEventListener("click", () => { clear(); changed(); });
document.addEventListener("pointerover", nameMark);
document.addEventListener("click", keepChoice);
window.addEventListener("hashchange", readAddress);
show();
readAddress();
