/* What the page shows again while a reader takes configurations out of the envelope. Foreign text is only ever set as text. */
const data = JSON.parse(document.getElementById("card-data").textContent);
const { tolerance } = data;
const off = data.envelopes.map((envelope) => ({ levels: envelope.factors.map(() => new Set()), members: new Set() }));
const every = (selector, root = document) => [...root.querySelectorAll(selector)];

/* ---- what is switched on ---- */

const isOn = (e, c) =>
  !off[e].members.has(c) && data.envelopes[e].configurations[c].every((level, f) => !off[e].levels[f].has(level));
const switchedOn = (e) => data.envelopes[e].configurations.map((_, c) => c).filter((c) => isOn(e, c));
const isPartial = (e) => off[e].members.size > 0 || off[e].levels.some((levels) => levels.size > 0);
const gapsOf = (question, p) => {
  if (question.differences) return question.differences[p];
  const [a, b] = question.pairs[p].map((model) => question.scores[model]);
  return a.map((score, c) => (score === null || b[c] === null ? null : score - b[c]));
};

/* ---- words ---- */

const el = (name, attributes = {}, ...children) => {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== ""));
  return node;
};
const minus = (text) => text.replace("-", "\u2212");
const exact = (value, text) => el("data", { value: String(value) }, value === null ? "–" : minus(text));
const decimal = (value) => exact(value, value === null ? "" : value.toFixed(3));
const lead = (value) => (value > 0 && value < 0.001 ? exact(value, "less than 0.001") : decimal(value));
const counted = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;
const named = (text) => el("bdi", {}, text);
const settingsText = (envelope, c, factors = envelope.factors.map((_, f) => f)) =>
  factors.map((f) => `${envelope.factors[f].name} = ${envelope.factors[f].levels[envelope.configurations[c][f]]}`).join(", ") ||
  "the only configuration";
const conditionsText = (envelope, part) =>
  part.levels
    .flatMap((levels, f) =>
      levels === null ? [] : [`${envelope.factors[f].name} = ${levels.map((l) => envelope.factors[f].levels[l]).join(" or ")}`],
    )
    .join(" and ") || "every configuration";

/* ---- one pair ---- */

function pairState(q, p) {
  const question = data.questions[q];
  const on = switchedOn(question.envelope);
  const gaps = gapsOf(question, p);
  const counts = countOrders(gaps, on, tolerance);
  return { question, on, gaps, counts, rates: flipRates(counts), witness: widestWitness(gaps, on, tolerance) };
}

function pairSentence(question, p, counts, rates) {
  const [a, b] = question.pairs[p].map((model) => named(question.models[model]));
  const total = counts.plus + counts.minus + counts.tie + counts.missing;
  const count = (key, before, after = "") => {
    const number = exact(counts[key], String(counts[key]));
    number.className = key;
    return [before, number, after];
  };
  const rate = (key, before) => {
    const number = decimal(rates[key]);
    number.className = key;
    return [before, number];
  };
  return [
    a, count("plus", " is ahead in "), ", ", b, count("minus", " in "), counts.tie ? count("tie", ", they tie in ") : "",
    ` of ${counted(total, "configuration")}`, counts.missing ? count("missing", " (", " not measured for both)") : "",
    rate("flip", ". Flip rate "), rate("minority", ", minority rate "), rate("distinct", ", for two different configurations "), ".",
  ].flat();
}

function witnessSentence(state, p) {
  const { question, witness, gaps } = state;
  if (!witness) return ["In this choice no two configurations put them in opposite order."];
  const envelope = data.envelopes[question.envelope];
  const differing = envelope.factors.flatMap((_, f) =>
    envelope.configurations[witness.plus][f] === envelope.configurations[witness.minus][f] ? [] : [f],
  );
  const [a, b] = question.pairs[p].map((model) => named(question.models[model]));
  const side = (model, c, value) => [
    model, " ahead by ", lead(value), " under ",
    el("span", { "data-configuration": String(c) }, named(settingsText(envelope, c, differing))),
  ];
  return ["Widest reversal: ", side(a, witness.plus, gaps[witness.plus]), "; ", side(b, witness.minus, -gaps[witness.minus]), "."];
}

function partsOf(question, on, good) {
  const { configurations } = data.envelopes[question.envelope];
  const found = maximalParts(good, on.map((c) => configurations[c]), data.boxes);
  return found && found.map((part) => ({ ...part, members: part.members.map((place) => on[place]) }));
}

function partItems(q, p) {
  const { question, on, gaps } = pairState(q, p);
  const envelope = data.envelopes[question.envelope];
  return [1, -1].map((side, place) => {
    const found = partsOf(question, on, on.map((c) => signOf(gaps[c], tolerance) === side));
    return partItem(named(question.models[question.pairs[p][place]]), envelope, found);
  });
}

function partItem(model, envelope, found) {
  if (found === null) return el("li", {}, model, ": too many parts to list.");
  if (!found.length) return el("li", { "data-parts": "[]" }, model, ": nowhere.");
  const told = found.slice(0, 3).map((part) => `${conditionsText(envelope, part)} (${counted(part.members.length, "configuration")})`);
  const more = found.length > 3 ? `; and ${counted(found.length - 3, "further part")}` : "";
  const exactParts = JSON.stringify(found.map((part) => part.members));
  return el("li", { "data-parts": exactParts }, model, ": ", named(told.join("; ") + more), ".");
}

function showPair(article, q, p, partial) {
  const box = article.querySelector(".chosen");
  box.hidden = !partial;
  const parts = article.querySelector(".parts");
  if (parts && (partial || parts.dataset.chosen)) {
    parts.replaceChildren(...partItems(q, p));
    parts.dataset.chosen = "yes";
  }
  if (!partial) return;
  const state = pairState(q, p);
  const turned = state.counts.plus > 0 && state.counts.minus > 0;
  box.replaceChildren(
    el("p", {}, el("strong", {}, `In the part that you chose (${state.on.length} of ${state.gaps.length}): `),
      turned ? "the order reverses." : state.rates.compared ? "no reversal." : "nothing was measured."),
    el("p", { class: "numbers" }, pairSentence(state.question, p, state.counts, state.rates)),
    el("p", { class: "widest" }, witnessSentence(state, p)),
  );
}

function fade(article, on) {
  for (const group of every("g.marks", article)) {
    const order = group.dataset.order?.split(" ");
    [...group.children].forEach((mark, place) => mark.classList.toggle("off", !on.has(Number(order ? order[place] : place))));
  }
}

/* ---- one question: the models together, and the tables of all pairs ---- */

function showTogether(section, q, partial) {
  const box = section.querySelector(".together");
  if (!box) return;
  box.hidden = !partial;
  if (!partial) return;
  const question = data.questions[q];
  const tiers = completeTiers(question.scores, switchedOn(question.envelope), tolerance);
  const orderings = countOrderings(tiers);
  const robust = robustOrder(tiers, question.models.length);
  const ranking = (numbers) => {
    const groups = [...Array(Math.max(...numbers) + 1).keys()].map((tier) => question.models.filter((_, m) => numbers[m] === tier));
    return groups.map((group) => group.join(" = ")).join(" > ");
  };
  const shown = orderings.slice(0, 8).map(({ tiers: numbers, n }) =>
    el("li", { "data-n": String(n), "data-tiers": numbers.join() }, `${counted(n, "configuration")}: `, named(ranking(numbers))));
  box.replaceChildren(
    el("p", {}, el("strong", {}, "In the part that you chose: "), exact(orderings.length, counted(orderings.length, "different ranking")),
      ` in ${counted(tiers.length, "configuration")} in which every model has a score.`),
    el("ul", { class: "levels" }, shown),
    robust ? robustSentence(question, robust) : "",
  );
}

function robustSentence(question, robust) {
  const told = robust.edges.map(([a, b]) => `${question.models[a]} > ${question.models[b]}`).join(", ");
  return el("p", { class: "robust", "data-edges": JSON.stringify(robust.edges), "data-first": robust.first.join() },
    "Everywhere in it: ", told ? named(told) : "no pair keeps its order", ". ",
    exact(robust.undecided, counted(robust.undecided, "pair")), ` without a robust order; ${robust.first.length === 1 ? "first" : "possibly first"}: `,
    named(robust.first.map((m) => question.models[m]).join(", ")), ".");
}

/* A table's cells are overwritten while a choice is made and put back after it. */
function write(cell, text, turned) {
  cell.dataset.whole ??= cell.textContent;
  cell.textContent = text ?? cell.dataset.whole;
  if (turned !== undefined) cell.classList.toggle("turned", turned);
}

function showTables(section, q, partial) {
  const question = data.questions[q];
  const rows = every(".pairs-table tbody tr", section);
  const matrix = every(".matrix tbody tr", section).map((row) => every("td", row));
  question.pairs.forEach(([a, b], p) => {
    if (!rows.length && !matrix.length) return;
    const { counts, rates } = pairState(q, p);
    const turned = counts.plus > 0 && counts.minus > 0;
    if (rows.length) {
      const words = turned ? "reversal observed" : rates.compared ? "no reversal" : "not measured";
      const values = [counts.plus, counts.minus, counts.tie, counts.missing, fixed(rates.flip), fixed(rates.minority), words];
      [...rows[p].cells].slice(2).forEach((cell, place) => write(cell, partial ? String(values[place]) : null));
    }
    if (matrix.length) {
      const text = (first, second) => (partial ? `${first} : ${second}${turned ? " ⇄" : ""}` : null);
      write(matrix[a][b], text(counts.plus, counts.minus), turned);
      write(matrix[b][a], text(counts.minus, counts.plus), turned);
    }
  });
}
const fixed = (value) => (value === null ? "–" : value.toFixed(3));

function showClaims() {
  for (const row of every("[data-claim]")) {
    const claim = data.claims[Number(row.dataset.claim)];
    const question = data.questions[claim.question];
    const envelope = data.envelopes[question.envelope];
    const partial = isPartial(question.envelope);
    const cell = row.querySelector(".chosen");
    const admitted = new Set(claim.members);
    const on = switchedOn(question.envelope).filter((c) => admitted.has(c) && (claim.quantifier !== "core" || envelope.core[c]));
    const found = partial && decideClaim(claim, on, claimScores(question, claim), tolerance);
    cell.textContent = found ? `In the part that you chose: ${found.decision} (${found.yes} of ${found.n} satisfy it).` : "";
    cell.dataset.decision = found ? found.decision : "";
    cell.hidden = !found;
  }
}

function claimScores(question, claim) {
  const p = question.pairs.findIndex((pair) => pair.includes(claim.a) && pair.includes(claim.b));
  const gap = gapsOf(question, p);
  const straight = question.pairs[p][0] === claim.a;
  return { a: question.scores[claim.a], b: question.scores[claim.b], gap: straight ? gap : gap.map((d) => (d === null ? null : -d)) };
}

/* ---- the whole page ---- */

function show() {
  const partial = data.envelopes.map((_, e) => isPartial(e));
  document.body.classList.toggle("partial", partial.includes(true));
  data.questions.forEach((question, q) => {
    const section = document.querySelector(`[data-question="${q}"]`);
    if (!section) return;
    const here = partial[question.envelope];
    const on = new Set(switchedOn(question.envelope));
    section.classList.toggle("part", here);
    for (const article of every("[data-pair]", section)) {
      showPair(article, q, Number(article.dataset.pair), here);
      fade(article, on);
    }
    showTogether(section, q, here);
    showTables(section, q, here);
    every(".scores tbody tr", section).forEach((row, c) => row.classList.toggle("off", !on.has(c)));
  });
  showClaims();
  showSwitches();
  showStatus(partial);
}

function showStatus(partial) {
  const told = data.envelopes.flatMap((envelope, e) =>
    partial[e] ? [`${envelope.name}: ${switchedOn(e).length} of ${envelope.configurations.length} configurations`] : []);
  document.getElementById("choice").classList.toggle("on", told.length > 0);
  document.getElementById("restore").hidden = !told.length;
  const compared = data.questions.flatMap((question, q) => (primary(q) ? question.pairs.map((_, p) => pairState(q, p).counts) : []));
  const turned = compared.filter((counts) => counts.plus > 0 && counts.minus > 0).length;
  document.getElementById("choice-text").textContent = told.length
    ? `A part of the envelope is shown. ${told.join("; ")}. In ${turned} of ${counted(compared.length, "comparison")} the order reverses.`
    : "";
}
const primary = (q) => document.querySelector(`[data-question="${q}"]`)?.dataset.primary === "yes";
