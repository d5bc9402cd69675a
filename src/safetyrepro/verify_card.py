"""Re-derives a GRIDcard from its own rows: `python3 verify.py CARD_FOLDER` says OK, or the first place that differs.

Written from docs/reference/gridcard.md, version 1, with the standard library only. It trusts no number that the rows give; what
was drawn at random is checked for consistency, texts by the digest only. Exit code 0: OK, 1: something differs, 2: unreadable.
"""

from __future__ import annotations

import gzip
import itertools
import json
import math
import sys
import zlib
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

COLUMNS = ["benchmark", "model", "configuration", "item", "cluster", "stratum", "repeat", "value", "weight", "status"]
STATUSES = ("scored", "unparsed", "judge_refused", "failed", "not_run", "unknown")
MAX_CARD, MAX_ROWS, MAX_LINE = 500_000_000, 4_000_000_000, 4_000_000
TIE = 1e-12
WHOLE, TWICE = "(aggregate)", ("estimand", "configurations", "core", "primary")
Pairs = list[tuple[float, float]]
UNREADABLE = (OSError, EOFError, RecursionError, json.JSONDecodeError, UnicodeDecodeError, zlib.error)
MALFORMED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, StopIteration)


class DiffersError(Exception):
    """A place of the card that does not agree with its rows."""


def check(place: str, found: Any, derived: Any) -> None:  # Any: whatever JSON holds
    """Compare a value of the card with the derived one: numbers within 1e-12, named fields, everything else exactly."""
    if isinstance(derived, dict):
        for key, value in derived.items():
            check(f"{place}.{key}", found[key], value)
    elif isinstance(derived, list | tuple) and isinstance(found, list | tuple) and len(found) == len(derived):
        for i, (one, other) in enumerate(zip(found, derived, strict=True)):
            check(f"{place}[{i}]", one, other)
    else:
        numbers = isinstance(derived, float) and isinstance(found, int | float) and not isinstance(found, bool)
        fine = abs(found - derived) <= TIE * max(1.0, abs(derived)) if numbers else found == derived
        if not fine or isinstance(found, bool) != isinstance(derived, bool):
            raise DiffersError(f"{place}: the card says {str(found)[:120]!r}, derived is {str(derived)[:120]!r}")


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, refused where a name stands twice."""
    check("names of an object", len(dict(pairs)), len(pairs))
    return dict(pairs)


def read_rows(stream: BinaryIO, entry: dict[str, Any]) -> list[list[Any]]:
    """The rows, after digest, Merkle root and number were checked."""
    whole, total, rows, stack = sha256(), 0, list[list[Any]](), list[tuple[int, bytes]]()
    while line := stream.readline(MAX_LINE):
        total += len(line)
        if total > MAX_ROWS or not line.endswith(b"\n"):
            raise DiffersError(f"rows: line {len(rows) + 1} is cut, or the rows are larger than 4 GB")
        whole.update(line)
        height, node = 0, sha256(b"\x00" + line[:-1]).digest()
        while stack and stack[-1][0] == height:
            height, node = height + 1, sha256(b"\x01" + stack.pop()[1] + node).digest()
        stack.append((height, node))
        rows.append(json.loads(line, object_pairs_hook=once))
    root = stack.pop()[1] if stack else sha256().digest()
    while stack:
        root = sha256(b"\x01" + stack.pop()[1] + root).digest()
    check("rows", entry, {"sha256": whole.hexdigest(), "merkle_root": root.hex(), "n_rows": len(rows) - 1})
    check("rows (head)", rows[:1], [COLUMNS])
    return rows[1:]


def differing(one: dict[str, str], other: dict[str, str]) -> list[str]:
    """Factors on which two configurations disagree."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def quotient(pairs: Pairs) -> float | None:
    """Weighted mean; None without weight."""
    total = math.fsum(w for _, w in pairs)
    return math.fsum(v * w for v, w in pairs) / total if total else None


class Benchmark:
    """One benchmark under one estimand: what the card says of it, and its scores from the rows."""

    def __init__(self, card: dict[str, Any], entry: dict[str, Any], rows: list[list[Any]] | None) -> None:
        self.name, self.entry, self.rows = entry["name"], entry, rows
        self.result: dict[str, Any] = card["analysis"]["benchmarks"][self.name]
        self.estimand, self.direction = self.result["estimand"], self.result["estimand"]["orientation"]["direction"]
        self.models: list[str] = [model["name"] for model in self.result["models"]]
        self.digests: list[str] = entry["digests"]
        self.keys = list(itertools.product(self.models, self.digests))
        pairs = itertools.combinations(enumerate(entry["configurations"]), 2)
        apart = [(differing(one, other), i, j) for (i, one), (j, other) in pairs]
        self.neighbours = [(names[0], i, j) for names, i, j in apart if len(names) == 1]
        self.groups: dict[str, tuple[str, str]] = {}
        self.statuses: dict[tuple[str, str], Counter[str]] = {key: Counter() for key in self.keys}
        stated = {(cell["model"], cell["configuration"]): cell["score"] for cell in entry["cells"]}
        self.cells = {} if rows is None else self.items(rows)
        self.raw = {key: stated[key] if rows is None else self.score(self.cells[key]) for key in self.keys}

    def items(self, rows: list[list[Any]]) -> dict[tuple[str, str], dict[str, tuple[float, float]]]:
        """Value and weight of each item of each cell, under the failure policy and the item rule."""
        held: dict[tuple[str, str], dict[str, Pairs]] = {key: {} for key in self.keys}
        low, high, target, seen = self.estimand["low"], self.estimand["high"], self.estimand["orientation"]["target"], set()
        worst = high if (self.direction == "lower" if target is None else high - target > target - low) else low
        for _, model, configuration, item, cluster, stratum, repeat, value, weight, status in rows:
            key, place = (model, configuration), f"rows of {self.name}, item {item!r} of {model!r} under {configuration}"
            kinds = [type(x) in (int, float) and math.isfinite(x) for x in (0 if value is None else value, weight, repeat)]
            fine = [key in held, (key, item, repeat) not in seen, status in STATUSES, (value is None) != (status == "scored")]
            check(f"{place}: in a cell, once, as its status says, a number", [*fine, *kinds], [True] * 7)
            check(f"{place}: cluster and stratum", self.groups.setdefault(item, (cluster, stratum)), (cluster, stratum))
            seen.add((key, item, repeat))
            self.statuses[key][status] += 1
            counted = worst if status == "unparsed" and self.result["policy"] == "wrong" else value
            if counted is not None:
                held[key].setdefault(item, []).append((counted, weight))
        for found in held.values():
            found.pop(WHOLE if len(found) > 1 else "", None)
        cells = {
            key: {item: (math.fsum(v for v, _ in p) / len(p), math.fsum(w for _, w in p) / len(p)) for item, p in found.items()}
            for key, found in held.items()
        }
        for c in self.digests if self.result["item_rule"] == "common" else []:
            common = set.intersection(*[set(cells[m, c]) for m in self.models if cells[m, c]] or [set()])
            cells |= {(m, c): {item: pair for item, pair in cells[m, c].items() if item in common} for m in self.models}
        return cells

    def score(self, items: dict[str, tuple[float, float]]) -> float | None:
        """Score of a cell on the estimand's own scale."""
        if self.estimand["aggregation"] == "balanced":
            groups: dict[str, Pairs] = {}
            for item, pair in items.items():
                groups.setdefault(self.groups[item][1], []).append(pair)
            means = [quotient(pairs) for pairs in groups.values()]
            known = [mean for mean in means if mean is not None]
            return math.fsum(known) / len(known) if known and len(known) == len(means) else None
        nothing = self.estimand["aggregation"] == "net" and not any(v * w for v, w in items.values())
        return None if nothing else quotient(list(items.values()))

    def oriented(self, score: float | None) -> float | None:
        """The score turned so that higher is safer."""
        if score is None or self.direction == "higher":
            return score
        return -score if self.direction == "lower" else -abs(score - self.estimand["orientation"]["target"])

    def pair_scores(self, a: str, b: str, c: str) -> tuple[float | None, float | None]:
        """Oriented scores of two models in a configuration, under the pairwise policy on the items that both have."""
        if self.result["policy"] != "dropped_pairwise" or self.rows is None:
            return self.oriented(self.raw[a, c]), self.oriented(self.raw[b, c])
        both = self.cells[a, c].keys() & self.cells[b, c].keys()
        one, other = (self.oriented(self.score({i: self.cells[m, c][i] for i in both})) for m in (a, b))
        return (None, None) if one is None or other is None else (one, other)

    def discordant(self, a: str, b: str, c: str) -> tuple[set[str], set[str]]:
        """Items on which A did better, and on which B did, in one configuration."""
        first, second, sign = self.cells[a, c], self.cells[b, c], -1 if self.direction == "lower" else 1
        both = [i for i in first.keys() & second.keys() - {WHOLE} if first[i][1] > 0 and second[i][1] > 0]
        gaps = {i: sign * (first[i][0] - second[i][0]) for i in both}
        return {i for i, gap in gaps.items() if gap > TIE}, {i for i, gap in gaps.items() if gap < -TIE}


def check_pair(bench: Benchmark, found: dict[str, Any], a: str, b: str) -> None:
    """Orders, counts, rates and witness of two models."""
    place, told, settings = f"{bench.name}, {a} against {b}", [], bench.entry["configurations"]
    for c, chosen, core in zip(bench.digests, settings, bench.entry["core"], strict=True):
        one, other = bench.pair_scores(a, b, c)
        gap = None if one is None or other is None else one - other
        order = "?" if gap is None else "+" if gap > TIE else "-" if gap < -TIE else "="
        entry = {"digest": c, "settings": chosen, "core": core, "difference": gap, "order": order}
        n_items = {} if bench.rows is None else {"n_items": len(bench.cells[a, c].keys() & bench.cells[b, c].keys() - {WHOLE})}
        told.append(entry | {"score_a": one, "score_b": other} | n_items)
    gaps, orders = [entry["difference"] for entry in told], "".join(entry["order"] for entry in told)
    sizes = [point["n_configurations"] for point in found["detection_curve"]]
    known = [gap for gap in gaps if gap is not None]
    check(place, found, {"a": a, "b": b, "configurations": told} | figures(orders, known, sizes))
    marks = [(name, orders[i] + orders[j]) for name, i, j in bench.neighbours if "?" not in orders[i] + orders[j]]
    stated = sorted(found["one_factor_flip_rate"], key=lambda entry: entry["factor"])
    for entry, factor in zip(stated, sorted(settings[0]), strict=True):
        own = [both for name, both in marks if name == factor]
        flips = {"factor": factor, "n_pairs": len(own), "n_opposed": own.count("+-") + own.count("-+")}
        check(f"{place}, one_factor_flip_rate", entry, flips | {"rate": flips["n_opposed"] / len(own) if own else None})
    witness = found["witness"]
    if "+" not in orders or "-" not in orders:
        check(f"{place}, witness", witness, None)
        return
    high, low = max(known), min(known)
    plus = next(i for i, gap in enumerate(gaps) if gap is not None and gap >= high - TIE)
    minus = next(i for i, gap in enumerate(gaps) if gap is not None and gap <= low + TIE)
    expected = {"plus": settings[plus], "minus": settings[minus], "margin_plus": gaps[plus], "margin_minus": gaps[minus]}
    expected |= {"factors": differing(settings[plus], settings[minus])}
    check(f"{place}, witness", witness | {"factors": sorted(witness["factors"])}, expected)
    if bench.rows is not None and not bench.groups.keys() - {WHOLE}:
        check(f"{place}, witness items", witness["items"], None)
    elif bench.rows is not None:
        (a_plus, b_plus), (a_minus, b_minus) = (bench.discordant(a, b, bench.digests[i]) for i in (plus, minus))
        items = {"plus_a_better": a_plus, "plus_b_better": b_plus, "minus_a_better": a_minus, "minus_b_better": b_minus}
        for name, ids in (items | {"turned": a_plus & b_minus}).items():
            check(f"{place}, witness items {name}", sorted(witness["items"][name]), sorted(ids))


def figures(orders: str, gaps: list[float], sizes: list[int]) -> dict[str, Any]:
    """Counts first, then rates with their denominators, the moments of the difference, and the detection curve."""
    plus, minus, tie, missing = (orders.count(mark) for mark in "+-=?")
    m, whole, strict = plus + minus + tie, len(orders), plus + minus + missing
    fewer = min(min(plus, minus) + missing, strict // 2)
    mean = math.fsum(gaps) / m if m else 0.0
    variance = math.fsum((gap - mean) ** 2 for gap in gaps) / m if m else 0.0
    without = [math.comb(m - plus, k) + math.comb(m - minus, k) - math.comb(tie, k) for k in sizes]
    check("detection_curve, sizes", [sizes, sizes[-1:]], [sorted(set(sizes)), [m] if plus and minus else []])
    curve = [{"n_configurations": k, "probability": 1 - n / math.comb(m, k)} for k, n in zip(sizes, without, strict=True)]
    bounds = {"low": 2 * plus * minus / whole**2, "high": 2 * fewer * (strict - fewer) / whole**2} if whole else None
    counts: dict[str, Any] = {"n_plus": plus, "n_minus": minus, "n_tie": tie, "n_missing": missing, "tolerance": TIE}
    counts |= {"reversal": plus >= 1 and minus >= 1, "missing_bounds": bounds, "detection_curve": curve}
    counts |= {"flip_rate_distinct": plus * minus / math.comb(m, 2) if m > 1 else None}
    counts |= {
        "margin_index": variance / (variance + mean**2) if plus or minus else None,
        "mean_difference": mean if m else None,
    }
    counts |= {"flip_rate": 2 * plus * minus / m**2 if m else None, "minority_rate": min(plus, minus) / m if m else None}
    return counts | {"weak_disagreement": 1 - (plus**2 + minus**2 + tie**2) / m**2 if m else None}


def check_cells_and_orderings(bench: Benchmark) -> None:
    """Scores and statuses of cells and models, and the orderings that they reach."""
    orderings: Counter[str] = Counter()
    ranks: dict[str, list[tuple[int, int]]] = {model: [] for model in bench.models}
    for c in bench.digests:
        scores = {model: score for model in bench.models if (score := bench.oriented(bench.raw[model, c])) is not None}
        tiers: list[list[str]] = []
        for model in sorted(scores, key=lambda model: -scores[model]):
            tied = tiers and min(scores[other] for other in tiers[-1]) - scores[model] <= TIE
            tiers = [*tiers[:-1], [*tiers[-1], model]] if tied else [*tiers, [model]]
        if len(scores) == len(bench.models):
            orderings[json.dumps([sorted(tier, key=bench.models.index) for tier in tiers])] += 1
            for t, model in [(t, model) for t, tier in enumerate(tiers) for model in tier]:
                ranks[model].append((1 + sum(map(len, tiers[:t])), sum(map(len, tiers[: t + 1]))))
    strict = [text for text in orderings if all(len(tier) == 1 for tier in json.loads(text))]
    told = {"n_complete": orderings.total(), "distinct_weak": len(orderings), "distinct_strict": len(strict)}
    found, told["n_with_ties"] = bench.result["orderings"], orderings.total() - sum(orderings[one] for one in strict)
    check(f"{bench.name}, orderings", found, told)
    counted = sorted((json.dumps(entry["tiers"]), entry["n_configurations"]) for entry in found["counts"])
    check(f"{bench.name}, orderings.counts", counted, sorted(orderings.items()))
    sums = {model: sum((bench.statuses[model, c] for c in bench.digests), Counter()) for model in bench.models}
    for entry, model in zip(bench.result["models"], bench.models, strict=True):
        lows, highs = [low for low, _ in ranks[model]], [high for _, high in ranks[model]]
        facts: dict[str, Any] = {"best_rank": min(lows, default=None), "worst_rank": max(highs, default=None)}
        facts |= {"n_first": lows.count(1) if lows else None, "scores": [bench.raw[model, c] for c in bench.digests]}
        check(f"{bench.name}, model {model}", entry, facts)
        check(f"{bench.name}, statuses of {model}", entry["statuses"] == dict(sums[model]) or bench.rows is None, derived=True)
    for cell, key in zip(bench.entry["cells"], bench.keys, strict=True):
        place = f"{bench.name}, cell of {key[0]} under {key[1]}"
        check(place, cell, {"model": key[0], "configuration": key[1], "score": bench.raw[key]})
        if bench.rows is not None:
            check(f"{place}, records", cell["n_records"], bench.statuses[key].total())
            check(f"{place}, statuses", sorted(cell["statuses"].items()), sorted(bench.statuses[key].items()))


def check_decision(benches: list[Benchmark], found: dict[str, Any], family_size: int | None) -> None:
    """A decision: every claim becomes truer as A's scores rise and B's fall, so the two ends of what is missing decide."""
    claim, a, b, quantifier = found["claim"], found["claim"]["a"], found["claim"]["b"], found["claim"]["quantifier"]
    place, wanted = f"decision on {a} {claim['relation']} {b} on {claim['benchmark']} {quantifier}", claim["estimand"]
    about = [one for one in benches if one.result["benchmark"] == claim["benchmark"]]
    bench = next(one for one in about if (one.estimand["name"] == wanted if wanted else one.entry["primary"]))
    held = [
        {"digest": c, "settings": settings} | dict(zip(("score_a", "score_b"), bench.pair_scores(a, b, c), strict=True))
        for c, settings, core in zip(bench.digests, bench.entry["configurations"], bench.entry["core"], strict=True)
        if all(settings.get(name) in levels for name, levels in claim["where"]) and (core or quantifier != "core")
    ]
    scores = [(one["score_a"], one["score_b"]) for one in held]
    told = [None if None in pair else true_of(claim | {"quantifier": "everywhere"}, [pair]) for pair in scores]
    facts = {"n_satisfied": told.count(True), "n_contradicted": told.count(False), "n_missing": told.count(None)}
    check(place, found, facts | {"n_configurations": len(told), "estimand": bench.estimand["name"]})
    check(place, found["family_size"], family_size)
    if claim["evidence"] != "realized":
        check_supported(bench, found, {one["digest"]: one for one in held})
        return
    ends = ((-math.inf, math.inf), (math.inf, -math.inf))
    low, high = (true_of(claim, [(x if a is None else a, y if b is None else b) for a, b in scores]) for x, y in ends)
    word = "HOLDS" if low else "UNDETERMINED" if high else "REFUTED"
    against = sorted((i for i, fine in enumerate(told) if fine is False), key=lambda i: scores[i][0] - scores[i][1])
    if quantifier in ("worst_case", "dominance") and word == "REFUTED":
        first, other = ({i: pair[side] for i, pair in enumerate(scores) if pair[side] is not None} for side in (0, 1))
        worst = min(other, key=other.__getitem__) if quantifier == "worst_case" else max(reversed(other), key=other.__getitem__)
        against = list(dict.fromkeys((min(first, key=first.__getitem__), worst)))
    witness = [held[i] for i in against] if word == "REFUTED" else []
    missing = [one for one, fine in zip(held, told, strict=True) if fine is None and word == "UNDETERMINED"]
    good = [one["settings"] for one, fine in zip(held, told, strict=True) if fine and witness]
    flips: list[str] = min((differing(witness[0]["settings"], one) for one in good), key=len, default=[])
    expected = {"decision": word, "witness": witness, "missing": missing, "flips": flips}
    check(place, found | {"flips": sorted(found["flips"])}, expected)


def check_supported(bench: Benchmark, found: dict[str, Any], held: dict[str, dict[str, Any]]) -> None:
    """A supported decision: it follows from its p-values, and none is proved where a cell of its scope is missing."""
    claim, place = found["claim"], f"supported decision on {found['claim']['a']} against {found['claim']['b']}"
    refuted, proved = (found[p] is not None and found[p] <= claim["alpha"] for p in ("p_refutes", "p_holds"))
    check(place, found, {"decision": "REFUTED" if refuted else "HOLDS" if proved else "UNDETERMINED"})
    check(f"{place}, outside 0..1", [p for p in ("p_holds", "p_refutes") if not 0 <= (found[p] or 0) <= 1], [])
    for one in [*found["witness"], *found["missing"]]:
        check(f"{place}, configuration {one['digest']}", one, held[one["digest"]])
    of_a, of_b = ({c: bench.cells[m, c].keys() - {WHOLE} for c in held if bench.cells} for m in (claim["a"], claim["b"]))
    if any(not of_a[c] & of_b[c] for c in of_a):
        check(f"{place}, p_holds where a cell is missing", found["p_holds"], None)


def true_of(claim: dict[str, Any], scores: Pairs) -> bool:
    """What a claim means where no score is missing: one number, here by quantifier, has to satisfy its relation."""
    gaps, (a, b) = sorted(one - other for one, other in scores), zip(*scores, strict=True)
    told = {"everywhere": gaps[0], "core": gaps[0], "somewhere": gaps[-1], "majority": gaps[(len(gaps) - 1) // 2]}
    told |= {"mean": math.fsum(gaps) / len(gaps), "worst_case": min(a) - min(b), "dominance": min(a) - max(b)}
    margin = told[claim["quantifier"]] + claim["margin"]
    return bool(margin > TIE if claim["relation"] == ">" else margin >= -TIE)


def check_support(card: dict[str, Any], benches: list[Benchmark]) -> None:
    """Consistency of what was inferred with itself, and with what is missing."""
    family = []
    for bench in benches:
        inferred = card["analysis"]["support"].get(bench.name, {"pairs": []})
        for pair, verdict in zip(inferred["pairs"], bench.result["pairs"] if inferred["pairs"] else [], strict=True):
            place = f"{bench.name}, support of {pair['a']} against {pair['b']}"
            names = ("p_plus", "p_minus", "p_a_everywhere", "p_b_everywhere", "p_reversal", "holm", "benjamini_hochberg")
            check(f"{place}, outside 0..1", [n for n in names if pair[n] is not None and not 0 <= pair[n] <= 1], [])
            ends = [pair["p_plus"], pair["p_minus"]]
            told = {"a": verdict["a"], "b": verdict["b"], "p_reversal": None if None in ends else max(ends)}
            plus, minus, a_all, b_all = (pair[n] is not None and pair[n] <= inferred["alpha"] for n in names[:4])
            words = [(pair.get("unresolved_because"), "unresolved"), (plus and minus, "reversal supported")]
            words += [(a_all, "A ahead on every configuration"), (b_all, "B ahead on every configuration")]
            words += [(plus, "A ahead somewhere"), (minus, "B ahead somewhere"), (True, "unresolved")]
            check(place, pair, told | {"word": next(word for holds, word in words if holds)})
            if any(entry["n_items"] == 0 for entry in verdict["configurations"]):
                check(place, pair, {"p_a_everywhere": None, "p_b_everywhere": None})
            if pair["band"]:
                above, below = sum(b["low"] > 0 for b in pair["band"] if b), sum(b["high"] < 0 for b in pair["band"] if b)
                check(place, pair, {"supported_plus": above, "supported_minus": below})
            if bench.entry["primary"] and pair["p_reversal"] is not None:
                family.append((pair["p_reversal"], place, pair["holm"], inferred["family_size"]))
    largest = 0.0
    for i, (p, place, holm, size) in enumerate(sorted(family, key=lambda one: one[0])):
        largest = max(largest, min(1.0, (len(family) - i) * p))
        check(f"{place}, Holm and family", [holm, size], [largest, len(family)])


def verify(folder: Path) -> str:
    """Check a card; what was checked, in a sentence. Raises DiffersError at the first place that differs."""
    check("card.json: 1 byte to 500 MB", 0 < (folder / "card.json").stat().st_size <= MAX_CARD, derived=True)
    content, rows = (folder / "card.json").read_bytes(), None
    card: dict[str, Any] = json.loads(content, object_pairs_hook=once)
    member = f'"digest":"{card["digest"]}",'.encode()
    check("version and number of digests", [card["version"], content.count(member)], [1, 1])
    check("digest", card["digest"], sha256(content.replace(member, b"")).hexdigest())
    held: dict[str, list[list[Any]]] = {entry["name"]: [] for entry in card["benchmarks"]}
    check("benchmarks", sorted(held), sorted(card["analysis"]["benchmarks"]))
    if card["rows"] is not None:
        check("rows.file", card["rows"]["file"] in ("rows.jsonl", "rows.jsonl.gz"), derived=True)
        path = folder / card["rows"]["file"]
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            rows = read_rows(stream, card["rows"])  # type: ignore[arg-type]  # both are binary streams
        for row in rows:
            check(f"rows: {str(row)[:120]} is of this card", len(row) == len(COLUMNS) and row[0] in held, derived=True)
            held[row[0]].append(row)
    benches = [Benchmark(card, entry, None if rows is None else held[entry["name"]]) for entry in card["benchmarks"]]
    for bench in benches:
        check(f"{bench.name}, said twice", [bench.result[name] for name in TWICE], [bench.entry[name] for name in TWICE])
        pairs = [sorted(map(list, settings.items())) for settings in bench.entry["configurations"]]
        texts = [json.dumps(entry, ensure_ascii=False, separators=(",", ":")) for entry in pairs]
        check(f"{bench.name}, digests", bench.digests, [sha256(text.encode()).hexdigest()[:16] for text in texts])
        check_cells_and_orderings(bench)
        for found, (a, b) in zip(bench.result["pairs"], itertools.combinations(bench.models, 2), strict=True):
            check_pair(bench, found, a, b)
    levels = [decision["claim"]["evidence"] for decision in card["decisions"]]
    for decision, level in zip(card["decisions"], levels, strict=True):
        check_decision(benches, decision, None if level == "realized" else levels.count("supported"))
    check_support(card, benches)
    source = "the scores of its cells" if rows is None else f"{len(rows)} rows"
    return f"OK: {sum(len(bench.result['pairs']) for bench in benches)} verdicts and {len(card['decisions'])} decisions follow from {source}"


def main(arguments: list[str]) -> int:
    """Verify the card in a folder, by default the one beside this file."""
    path = Path(arguments[0]) if arguments else Path(__file__).parent
    try:
        told, code = verify(path.parent if path.is_file() else path), 0
    except DiffersError as error:
        told, code = f"DIFFERS at {error}", 1
    except UNREADABLE as error:
        told, code = f"UNREADABLE: {error}", 2
    except MALFORMED as error:
        told, code = f"DIFFERS at a field that is absent or of another kind: {type(error).__name__} {error}", 1
    print(told.encode("unicode_escape").decode() if code else told)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
