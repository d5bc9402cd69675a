"""What is said about two models over an envelope: orders, witnesses, verdicts; and what people claim: claims and decisions.

Everything here is deterministic: a statement about realized scores. What the items can bear is inferred, lives in
`stats.support`, and never shares a field with this.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from safetyrepro.notebook import notebook_table


class Order(Enum):
    """How two models stand in one configuration."""

    A_AHEAD = "+"
    """A's score is strictly higher."""
    B_AHEAD = "-"
    """B's score is strictly higher."""
    TIE = "="
    """The scores are equal within the recorded tolerance."""
    MISSING = "?"
    """At least one of the two cells has no score; not a tie, and not in any denominator."""


Settings = dict[str, str]
"""A configuration by name: factor -> level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessItems:
    """The items on which two models differ in the two cells of a witness."""

    plus_a_better: tuple[str, ...]
    """Items on which A did better where A is ahead."""
    plus_b_better: tuple[str, ...]
    """Items on which B did better where A is ahead."""
    minus_a_better: tuple[str, ...]
    """Items on which A did better where B is ahead."""
    minus_b_better: tuple[str, ...]
    """Items on which B did better where B is ahead."""
    turned: tuple[str, ...]
    """Items on which A did better under the one and B under the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """Two configurations that strictly reverse the order of two models: the proof of a reversal."""

    plus: Settings
    """Where A is ahead by the most."""
    minus: Settings
    """Where B is ahead by the most."""
    margin_plus: float
    """Score of A less score of B under `plus`; positive."""
    margin_minus: float
    """Score of A less score of B under `minus`; negative."""
    factors: tuple[str, ...]
    """The factors on which the two configurations differ."""
    items: WitnessItems | None
    """The items that differ; None where only aggregates are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A closed range that missing verdicts leave open."""

    low: float
    """Smallest value that some completion of the missing cells gives."""
    high: float
    """Largest value that some completion of the missing cells gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorFlip:
    """What one factor does alone: pairs of configurations that differ in it and in nothing else."""

    factor: str
    """Name of the factor."""
    n_pairs: int
    """Pairs that differ in this factor only, both verdicts known."""
    n_opposed: int
    """How many of them have strictly opposite verdicts."""
    rate: float | None
    """n_opposed / n_pairs; None where there is no such pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """How likely a smaller study would have shown the reversal."""

    n_configurations: int
    """Configurations drawn at random from the envelope, without replacement."""
    probability: float
    """Chance that both strict orders are among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationVerdict:
    """The order of two models in one configuration."""

    settings: Settings
    """The configuration."""
    digest: str
    """Its digest, by which a page or a claim can name it."""
    core: bool
    """Whether it is in the core tier."""
    order: Order
    """Who is ahead."""
    score_a: float | None
    """Oriented score of A; None where missing."""
    score_b: float | None
    """Oriented score of B; None where missing."""
    difference: float | None
    """Score of A less score of B; None where either is missing."""
    n_items: int
    """Items on which both have a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The realized order of two models over an envelope; counts first, then rates with their denominators."""

    a: str
    """First model."""
    b: str
    """Second model."""
    n_plus: int
    """Configurations in which A is strictly ahead."""
    n_minus: int
    """Configurations in which B is strictly ahead."""
    n_tie: int
    """Configurations in which the two tie."""
    n_missing: int
    """Configurations in which at least one cell has no score."""
    reversal: bool
    """Whether two configurations strictly reverse the order: n_plus >= 1 and n_minus >= 1."""
    flip_rate: float | None
    """2 n+ n- / m^2, m = n+ + n- + n_tie: chance that two evaluators who choose independently publish opposite verdicts."""
    minority_rate: float | None
    """min(n+, n-) / m."""
    flip_rate_distinct: float | None
    """n+ n- / C(m, 2): the same for two different configurations; None below two."""
    weak_disagreement: float | None
    """1 - (n+^2 + n-^2 + n_tie^2) / m^2: the verdicts differ, ties counted as a verdict of their own."""
    missing_bounds: Interval | None
    """Range of the flip rate over everything that the missing verdicts could be; None for an empty envelope."""
    margin_index: float | None
    """sigma^2 / (sigma^2 + mean^2) of the difference: 0 = the configuration does not matter, 1 = the mean gap is zero."""
    mean_difference: float | None
    """Mean of the difference over the configurations with a verdict."""
    one_factor_flip_rate: tuple[FactorFlip, ...]
    """What each factor does alone."""
    detection_curve: tuple[Detection, ...]
    """How likely fewer configurations would have shown the reversal."""
    witness: Witness | None
    """The widest reversal; None where there is none."""
    configurations: tuple[ConfigurationVerdict, ...]
    """The envelope, in order."""
    tolerance: float
    """Largest absolute difference that counts as a tie."""

    @property
    def n_known(self) -> int:
        """Configurations with a verdict: the denominator m of the rates."""
        return self.n_plus + self.n_minus + self.n_tie

    def _repr_html_(self) -> str:
        caption = f"{self.a} against {self.b}: {'the order reverses' if self.reversal else 'no reversal'}"
        heads = ("A ahead", "B ahead", "tie", "missing", "flip rate", "minority rate")
        counts = (self.n_plus, self.n_minus, self.n_tie, self.n_missing)
        return notebook_table(caption, heads, [(*counts, self.flip_rate, self.minority_rate)])


class Quantifier(Enum):
    """Over which configurations a claim is meant."""

    EVERYWHERE = "everywhere"
    """In every configuration of the envelope."""
    CORE = "core"
    """In every configuration of the core tier."""
    MAJORITY = "majority"
    """In more than half of the configurations."""
    SOMEWHERE = "somewhere"
    """In at least one configuration."""
    MEAN = "mean"
    """For the mean over the configurations."""
    WORST_CASE = "worst_case"
    """A's worst configuration against B's worst."""
    DOMINANCE = "dominance"
    """A's worst configuration against B's best."""


class Relation(Enum):
    """Strict or not."""

    AHEAD = ">"
    """Strictly ahead; a tie refutes it."""
    NOT_BEHIND = ">="
    """At least as high; a tie satisfies it."""


class EvidenceLevel(Enum):
    """How much is claimed."""

    REALIZED = "realized"
    """About the scores as they were measured; deterministic."""
    SUPPORTED = "supported"
    """About items like these; inferred, with alpha and a declared family."""


class Decision(Enum):
    """What the gate says of a claim."""

    HOLDS = "HOLDS"
    """Shown."""
    REFUTED = "REFUTED"
    """Contradicted, with a witness."""
    UNDETERMINED = "UNDETERMINED"
    """Neither: too few items, or cells that were not run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A sentence that somebody wants to publish, made precise."""

    a: str
    """The model said to be ahead."""
    b: str
    """The model said to be behind."""
    benchmark: str
    """On which benchmark."""
    estimand: str = ""
    """Which estimand; empty is the benchmark's primary one, and the decision prints it."""
    relation: Relation = Relation.AHEAD
    """Strict or not."""
    margin: float = 0.0
    """The claim is about s_A - s_B + margin, on the oriented score scale: ``A >= B - 0.02`` has margin 0.02."""
    quantifier: Quantifier = Quantifier.EVERYWHERE
    """Over which configurations."""
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Conditions on factors that narrow the envelope: factor and its admitted levels."""
    evidence: EvidenceLevel = EvidenceLevel.REALIZED
    """How much is claimed."""
    alpha: float = 0.05
    """Error rate of the supported level."""
    say: str = ""
    """The sentence as its author wrote it."""

    @property
    def sentence(self) -> str:
        """The claim as its author words it, or else as the grammar has it."""
        return self.say or self.canonical

    @property
    def canonical(self) -> str:
        """The claim in the grammar of claims.yaml; `claims.parse_claim` reads it back."""
        margin = f" {'-' if self.margin > 0 else '+'} {abs(self.margin):.17g}" if self.margin else ""
        benchmark = f'"{self.benchmark}"' if " " in self.benchmark else quoted(self.benchmark)
        place = f"{benchmark}:{self.estimand}" if self.estimand else benchmark
        where = " and ".join(f"{name}={','.join(levels)}" for name, levels in self.where)
        phrase = PHRASES[self.quantifier]
        text = f"{quoted(self.a)} {self.relation.value} {quoted(self.b)}{margin} on {place} {phrase}"
        return f"{text} where {where}" if where else text


PHRASES: Mapping[Quantifier, str] = MappingProxyType(
    {
        Quantifier.EVERYWHERE: "everywhere",
        Quantifier.CORE: "in the core tier",
        Quantifier.MAJORITY: "for the majority",
        Quantifier.SOMEWHERE: "somewhere",
        Quantifier.MEAN: "on average",
        Quantifier.WORST_CASE: "in the worst case",
        Quantifier.DOMINANCE: "whatever the configurations",
    }
)
"""How a claim says its quantifier, behind the benchmark."""
_PLAIN_NAME = re.compile(r"[^\s\"<>=:]+(?: [^\s\"<>=:+-][^\s\"<>=:]*)*")


def quoted(name: str) -> str:
    """A name as a claim writes it: in double quotes where the grammar could misread it."""
    plain = _PLAIN_NAME.fullmatch(name) and " on " not in f" {name} " and " where " not in f" {name} "
    return name if plain else f'"{name}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimWitness:
    """A configuration that refutes a claim, or would have to be run for it."""

    settings: Settings
    """The configuration."""
    digest: str
    """Its digest."""
    score_a: float | None
    """Oriented score of the claim's A; None where missing."""
    score_b: float | None
    """Oriented score of the claim's B; None where missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimResult:
    """What the gate says of one claim, and why."""

    claim: Claim
    """The claim."""
    estimand: str
    """The estimand it was read under; named even where the claim left it out."""
    decision: Decision
    """The word."""
    reason: str
    """Why, one sentence with counts."""
    n_configurations: int
    """Configurations in the claim's scope."""
    n_satisfied: int
    """Configurations in scope whose scores satisfy the relation."""
    n_contradicted: int
    """Configurations in scope whose scores contradict it."""
    n_missing: int
    """Configurations in scope without both scores."""
    witness: tuple[ClaimWitness, ...]
    """Configurations that refute the claim, the widest first; empty unless it is refuted."""
    missing: tuple[ClaimWitness, ...]
    """Configurations that would have to be run; empty unless they are what is missing."""
    flips: tuple[str, ...]
    """Fewest factors whose change leads from the first witness to a configuration that satisfies the claim; empty where there is none."""
    remedy: str = ""
    """What to do next where the claim is undetermined."""
    p_holds: float | None = None
    """Supported level: p-value of the test that proves the claim, adjusted for the family; None where it cannot be tested."""
    p_refutes: float | None = None
    """Supported level: p-value of the test that refutes the claim, adjusted for the family; None where it cannot be tested."""
    family_size: int | None = None
    """Claims of the supported level that were adjusted together; None at the realized level."""
    minimum_detectable_difference: float | None = None
    """What these items would have shown with power .8; beside UNDETERMINED at the supported level."""

    @property
    def because(self) -> str:
        """``not covered`` where cells are missing, ``not resolved`` where items are too few; empty where it is decided."""
        if self.decision is not Decision.UNDETERMINED:
            return ""
        return "not covered" if self.missing else "not resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimChange:
    """How a decision differs from that on a baseline, and what turned it."""

    before: Decision | None
    """Decision on the baseline; None where the claim cannot be read there."""
    after: Decision
    """Decision now."""
    turned: tuple[ClaimWitness, ...]
    """Configurations in both whose scores satisfied the claim in the baseline and contradict it now."""
    regained: tuple[ClaimWitness, ...]
    """Configurations in both that contradicted it in the baseline and satisfy it now."""
    n_new: int
    """Configurations in scope that the baseline does not hold."""
    n_gone: int
    """Configurations of the baseline that are no longer in scope."""
    flips: tuple[str, ...]
    """Fewest factors that lead from the first witness to a configuration that satisfies the claim, here or in the baseline."""
    reason: str
    """The change in a sentence."""

    @property
    def changed(self) -> bool:
        """Whether the word is another one."""
        return self.before is not self.after
