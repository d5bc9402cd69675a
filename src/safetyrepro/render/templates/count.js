/* What the page counts: the definitions of docs/reference/statistics.md over the configurations that are switched on. Pure functions;
   `on` is a list of places in the envelope, ascending, and a missing score is null. */

function signOf(difference, tolerance) {
  if (difference === null) return null;
  return Math.abs(difference) <= tolerance ? 0 : Math.sign(difference);
}

function countOrders(differences, on, tolerance) {
  const counts = { plus: 0, minus: 0, tie: 0, missing: 0 };
  for (const c of on) {
    const sign = signOf(differences[c], tolerance);
    counts[sign === null ? "missing" : sign > 0 ? "plus" : sign < 0 ? "minus" : "tie"] += 1;
  }
  return counts;
}

function flipRates({ plus, minus, tie }) {
  const m = plus + minus + tie;
  return {
    compared: m,
    flip: m ? (2 * plus * minus) / (m * m) : null,
    minority: m ? Math.min(plus, minus) / m : null,
    distinct: m > 1 ? (plus * minus) / ((m * (m - 1)) / 2) : null,
  };
}

/* The widest reversal: the first place within the tolerance of the largest difference, and of the smallest; null without both signs. */
function widestWitness(differences, on, tolerance) {
  const known = on.filter((c) => differences[c] !== null);
  let highest = -Infinity;
  let lowest = Infinity;
  for (const c of known) {
    highest = Math.max(highest, differences[c]);
    lowest = Math.min(lowest, differences[c]);
  }
  if (!(lowest < -tolerance) || !(highest > tolerance)) return null;
  return {
    plus: known.find((c) => differences[c] >= highest - tolerance),
    minus: known.find((c) => differences[c] <= lowest + tolerance),
  };
}

/* Number of each model's tier, 0 the safest; neighbours within the tolerance share one. */
function tierNumbers(scores, tolerance) {
  const order = scores.map((_, model) => model).sort((a, b) => scores[b] - scores[a]);
  const tiers = new Array(scores.length);
  let tier = 0;
  order.forEach((model, place) => {
    if (place && scores[order[place - 1]] - scores[model] > tolerance) tier += 1;
    tiers[model] = tier;
  });
  return tiers;
}

/* Tier numbers of every configuration in which all models have a score. */
function completeTiers(scores, on, tolerance) {
  return on
    .filter((c) => scores.every((row) => row[c] !== null))
    .map((c) => tierNumbers(scores.map((row) => row[c]), tolerance));
}

/* Every ordering that is reached with its frequency, the most frequent first, then the one that occurs first. */
function countOrderings(tiers) {
  const found = new Map();
  for (const numbers of tiers) {
    const key = numbers.join();
    found.set(key, { tiers: numbers, n: (found.get(key)?.n ?? 0) + 1 });
  }
  return [...found.values()].sort((a, b) => b.n - a.n);
}

/* What every complete configuration agrees on; null where there is none. */
function robustOrder(tiers, nModels) {
  if (!tiers.length) return null;
  const models = [...Array(nModels).keys()];
  const above = models.map((a) => models.map((b) => tiers.every((numbers) => numbers[a] < numbers[b])));
  const pairs = models.flatMap((a) => models.filter((b) => above[a][b]).map((b) => [a, b]));
  return {
    above: pairs,
    edges: pairs.filter(([a, b]) => !models.some((x) => above[a][x] && above[x][b])),
    first: models.filter((b) => !models.some((a) => above[a][b])),
    undecided: (nModels * (nModels - 1)) / 2 - pairs.length,
  };
}

/* The largest parts of an envelope, written as conditions on factors, in which every configuration is good. `levels` holds the level
   numbers of each configuration. Null where more than `limit` boxes are met; a part has `levels` (null: not restricted) and `members`. */
function maximalParts(good, levels, limit) {
  if (!levels.length) return [];
  const wide = levels[0].map((_, f) => levels.some((row) => row[f] > 29));
  const points = levels.map((row) => row.map((level, f) => (wide[f] ? 1n << BigInt(level) : 1 << level)));
  const full = points.reduce((mask, point) => mask.map((bits, f) => bits | point[f]));
  const bad = sortedPoints(points.filter((_, c) => !good[c]));
  const boxes = withoutBad(full, bad, limit);
  if (boxes === null) return null;
  const chosen = new Map();
  for (const box of boxes) {
    const members = points.flatMap((point, c) => (holds(box, point) ? [c] : []));
    if (!members.length) continue;
    const here = members.map((c) => points[c]).reduce((mask, point) => mask.map((bits, f) => bits | point[f]));
    const trimmed = box.map((bits, f) => (bits === full[f] ? bits : bits & here[f]));
    const key = members.join();
    if (!chosen.has(key) || compareCost(trimmed, chosen.get(key).box, full) < 0) chosen.set(key, { box: trimmed, members });
  }
  return largest([...chosen.values()])
    .map(({ box, members }) => ({ levels: box.map((bits, f) => (bits === full[f] ? null : bitsOf(bits))), members }))
    .sort(compareParts);
}

const holds = (box, point) => box.every((bits, f) => bits & point[f]);
const inside = (box, other) => box.every((bits, f) => !(bits & ~other[f]));

function sortedPoints(points) {
  const different = new Map(points.map((point) => [point.join(), point]));
  return [...different.values()].sort(compareLists);
}

function withoutBad(full, bad, limit) {
  let boxes = [full];
  for (const point of bad) {
    const kept = boxes.filter((box) => !holds(box, point));
    const cut = new Map();
    for (const box of boxes) {
      if (!holds(box, point)) continue;
      box.forEach((bits, f) => {
        const rest = bits & ~point[f];
        const smaller = box.with(f, rest);
        if (rest) cut.set(smaller.join(), smaller);
      });
    }
    if (kept.length + cut.size > limit) return null;
    const fresh = [...cut.values()].filter((box) => !kept.some((other) => inside(box, other)));
    boxes = kept.concat(fresh.filter((box) => !fresh.some((other) => other !== box && inside(box, other))));
  }
  return boxes;
}

function bitsOf(bits) {
  const one = typeof bits === "bigint" ? 1n : 1;
  const found = [];
  for (let level = 0, rest = bits; rest; level += 1, rest >>= one) if (rest & one) found.push(level);
  return found;
}

function compareLists(a, b) {
  const f = a.findIndex((value, place) => value !== b[place]);
  return f < 0 ? a.length - b.length : b[f] === undefined || a[f] > b[f] ? 1 : -1;
}

function compareCost(a, b, full) {
  const cost = (box) => {
    const named = box.flatMap((bits, f) => (bits === full[f] ? [] : [bitsOf(bits).length]));
    return [named.length, named.reduce((sum, n) => sum + n, 0)];
  };
  return compareLists(cost(a), cost(b)) || compareLists(a, b);
}

/* The sets that lie in no other one. */
function largest(parts) {
  const kept = [];
  for (const part of [...parts].sort((a, b) => b.members.length - a.members.length)) {
    if (!kept.some((other) => part.members.every((c) => other.set.has(c)))) kept.push({ ...part, set: new Set(part.members) });
  }
  return kept;
}

function compareParts(a, b) {
  const named = (part) => part.levels.filter((levels) => levels !== null);
  const cost = (part) => [named(part).length, named(part).flat().length, -part.members.length];
  return compareLists(cost(a), cost(b)) || compareLists(a.members, b.members);
}

/* Whether a margin-shifted difference satisfies a relation; a tie refutes ">" and satisfies ">=". */
function satisfies(value, strict, tolerance) {
  return strict ? value > tolerance : value >= -tolerance;
}

/* HOLDS, REFUTED or UNDETERMINED, at the realized level, of a claim over the configurations `on`; `a` and `b` are rows of scores, `gap`
   their differences. */
function decideClaim(claim, on, { a, b, gap }, tolerance) {
  const told = on.map((c) => (gap[c] === null ? null : satisfies(gap[c] + claim.margin, claim.strict, tolerance)));
  const count = (value) => told.filter((one) => one === value).length;
  const [yes, no, open] = [count(true), count(false), count(null)];
  const word = (value) => (satisfies(value + claim.margin, claim.strict, tolerance) ? "HOLDS" : "REFUTED");
  const rule = {
    everywhere: () => (no ? "REFUTED" : open ? "UNDETERMINED" : "HOLDS"),
    somewhere: () => (yes ? "HOLDS" : open ? "UNDETERMINED" : "REFUTED"),
    majority: () => (2 * yes > told.length ? "HOLDS" : 2 * no >= told.length ? "REFUTED" : "UNDETERMINED"),
    mean: () => (open ? "UNDETERMINED" : word(on.reduce((sum, c) => sum + gap[c], 0) / on.length)),
    worst_case: () => {
      const [worstA, worstB] = [lowest(a, on), lowest(b, on)];
      if (worstA === null || worstB === null) return "UNDETERMINED";
      const found = word(worstA - worstB);
      const decisive = found === "REFUTED" ? b : a;
      return on.some((c) => decisive[c] === null) ? "UNDETERMINED" : found;
    },
    dominance: () => {
      const [worstA, bestB] = [lowest(a, on), highest(b, on)];
      if (worstA === null || bestB === null) return "UNDETERMINED";
      const found = word(worstA - bestB);
      return found === "REFUTED" || !open ? found : "UNDETERMINED";
    },
  };
  rule.core = rule.everywhere;
  return { decision: on.length ? rule[claim.quantifier]() : "UNDETERMINED", yes, no, open, n: told.length };
}

function lowest(scores, on) {
  return on.reduce((least, c) => (scores[c] === null ? least : least === null ? scores[c] : Math.min(least, scores[c])), null);
}

function highest(scores, on) {
  return on.reduce((most, c) => (scores[c] === null ? most : most === null ? scores[c] : Math.max(most, scores[c])), null);
}
