"""Drawings show every configuration once, tell who is ahead by shape, and say in words what they show."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given

from render.verdicts import DIFFERENCES, verdict_of
from safetyrepro.inference import BandPoint
from safetyrepro.render.curve import make_frame, specification_curve, tick_values, varied
from safetyrepro.render.svg import element, order_strip, share_bar


def marks(text: str) -> list[ET.Element]:
    """Elements that stand for one configuration each: the children of the drawing's group of marks."""
    return [mark for group in ET.fromstring(text).iter("g") if "marks" in group.attrib["class"].split() for mark in group]


def style(node: ET.Element) -> str:
    return node.attrib["class"].split()[0]


@given(DIFFERENCES)
def test_the_strip_has_one_mark_for_each_configuration_in_the_order_of_the_envelope(differences: list[float | None]):
    verdict = verdict_of(differences)
    expected = ["gap" if d is None else "a" if d > 0 else "b" if d < 0 else "tie" for d in differences]
    assert [style(node) for node in marks(order_strip(verdict, "s"))] == expected


@given(DIFFERENCES)
def test_in_the_strip_a_mark_for_a_is_above_the_line_and_one_for_b_below(differences: list[float | None]):
    svg = order_strip(verdict_of(differences), "s")
    middle = float(re.search(r'd="M0 ([0-9.]+)h', svg)[1])
    for node in marks(svg):
        if style(node) in ("a", "b"):
            top, height = map(float, node.attrib["d"].split()[1].split("v"))
            assert (top + height < middle) if style(node) == "a" else (top > middle)


@given(DIFFERENCES)
def test_the_curve_has_one_mark_for_each_configuration_sorted_by_difference_and_missing_last(differences: list[float | None]):
    frame = make_frame(verdict_of(differences))
    shown = [entry.difference for entry in frame.entries]
    known = sorted(d for d in differences if d is not None)
    assert shown == known + [None] * (len(differences) - len(known))
    assert len(marks(specification_curve(verdict_of(differences), "c"))) == len(differences)


@given(DIFFERENCES)
def test_a_larger_difference_is_drawn_higher_and_zero_is_inside_the_panel(differences: list[float | None]):
    frame = make_frame(verdict_of(differences))
    assert frame.low < 0 < frame.high
    heights = [frame.y(entry.difference) for entry in frame.entries if entry.difference is not None]
    assert heights == sorted(heights, reverse=True)


@given(DIFFERENCES)
def test_the_places_of_the_curves_marks_lead_back_to_the_envelope(differences: list[float | None]):
    verdict = verdict_of(differences)
    svg = ET.fromstring(specification_curve(verdict, "c"))
    order = [int(place) for place in next(svg.iter("g")).attrib["data-order"].split()]
    assert [verdict.configurations[place] for place in order] == list(make_frame(verdict).entries)


@given(DIFFERENCES)
def test_who_is_ahead_is_told_by_shape_and_not_by_colour_alone(differences: list[float | None]):
    for node in marks(specification_curve(verdict_of(differences), "c")):
        assert node.tag == ("circle" if style(node) == "gap" else "path")
        if node.tag == "path":
            step = re.match(r"M\S+ \S+?(l|h)\S+ ?(-?[0-9.]+)?", node.attrib["d"])
            drawn = "tie" if step[1] == "h" else "a" if float(step[2]) > 0 else "b"
            assert drawn == style(node)


def test_only_factors_that_vary_have_rows_and_levels_keep_the_order_of_the_envelope():
    verdict = verdict_of([0.3, -0.2, 0.1])
    assert varied(verdict.configurations) == (("place", ("p0", "p1", "p2")), ("parity", ("even", "odd")))
    texts = [node.text for node in ET.fromstring(specification_curve(verdict, "c")).iter("text")]
    assert "held" not in texts
    assert {"place", "parity", "p0", "odd"} <= set(texts)


def test_a_level_has_a_tick_in_every_column_that_has_it():
    svg = specification_curve(verdict_of([0.4, 0.3, -0.2, 0.1, None]), "c")
    ticks = [node for node in ET.fromstring(svg).iter("path") if "ticks" in node.attrib["class"].split()]
    assert sum(node.attrib["d"].count("M") for node in ticks) == 5 * 2


def test_a_configuration_whose_interval_holds_zero_is_hollow():
    verdict = verdict_of([0.4, 0.1, -0.3])
    band = (BandPoint(low=0.2, high=0.6), BandPoint(low=-0.1, high=0.3), BandPoint(low=-0.5, high=-0.1))
    drawn = marks(specification_curve(verdict, "c", band=band))
    assert [node.attrib["class"] for node in drawn] == ["b", "a hollow", "a"]


def test_whiskers_reach_from_the_low_to_the_high_end_of_the_band():
    verdict = verdict_of([0.4])
    frame = make_frame(verdict, (BandPoint(low=0.2, high=0.6),))
    (mark,) = marks(specification_curve(verdict, "c", band=(BandPoint(low=0.2, high=0.6),)))
    above, below = re.findall(r"M\S+ ([0-9.]+)V([0-9.]+)", mark.attrib["d"])
    middle = frame.y(0.4)
    assert float(above[0]) == pytest.approx(frame.y(0.6), abs=0.06)
    assert float(below[1]) == pytest.approx(frame.y(0.2), abs=0.06)
    assert float(above[1]) < middle < float(below[0])


def test_a_missing_interval_leaves_the_mark_as_it_is():
    svg = specification_curve(verdict_of([0.4, -0.2]), "c", band=(None, None))
    assert "hollow" not in svg
    assert "V" not in "".join(mark.attrib["d"] for mark in marks(svg))


@pytest.mark.parametrize(("low", "high"), [(-0.3, 0.5), (-0.001, 0.0002), (0.0, 1.12), (-80.0, 20.0), (-1e-9, 1e-9)])
def test_the_scale_has_round_values_inside_it_with_zero_among_them(low: float, high: float):
    values = tick_values(low, high)
    assert 0.0 in values
    assert all(low <= value <= high for value in values)
    assert 2 <= len(values) <= 7


@pytest.mark.parametrize("differences", [[0.2], [0.0], [None], [0.0, 0.0], [None, None, None], [1e-9]])
def test_an_envelope_of_one_of_ties_or_of_nothing_is_drawn(differences: list[float | None]):
    verdict = verdict_of(differences)
    assert len(marks(specification_curve(verdict, "c"))) == len(differences)
    assert len(marks(order_strip(verdict, "s"))) == len(differences)


def test_an_empty_envelope_is_drawn_empty():
    assert marks(specification_curve(verdict_of([]), "c")) == []
    assert marks(order_strip(verdict_of([]), "s")) == []


@pytest.mark.parametrize("draw", [specification_curve, order_strip])
def test_every_drawing_has_a_title_and_a_description_with_the_counts(draw):
    svg = ET.fromstring(draw(verdict_of([0.2, 0.1, -0.3, 0.0, None], a="one", b="two"), "d"))
    title, description = svg.find("title"), svg.find("desc")
    assert svg.attrib["role"] == "img"
    assert svg.attrib["aria-labelledby"].split() == [title.attrib["id"], description.attrib["id"]]
    assert "one" in title.text
    assert "one ahead in 2, two ahead in 1, tie in 1, missing in 1 of 5" in description.text


def test_a_large_envelope_stays_small():
    svg = specification_curve(verdict_of([0.1, -0.1] * 306), "c")
    assert len(marks(svg)) == 612
    assert len(svg) < 60_000


def test_foreign_words_cannot_leave_the_drawing():
    hostile = '"><script>alert(1)</script>\x1b[31m\u202e'
    for svg in (specification_curve(verdict_of([0.2, -0.2], a=hostile), "c"), order_strip(verdict_of([0.2], a=hostile), "s")):
        assert "<script" not in svg
        assert "\x1b" not in svg
        assert "\u202e" not in svg
        ET.fromstring(svg)


def test_attributes_and_content_of_an_element_are_escaped():
    assert element("text", {"class": 'a"b'}, "<i>") == '<text class="a&#34;b">&lt;i&gt;</text>'


@pytest.mark.parametrize(("share", "width"), [(None, None), (0.0, None), (0.25, "25%"), (1.0, "100%")])
def test_a_bar_is_as_long_as_its_share_and_an_undefined_one_is_no_bar_of_zero(share: float | None, width: str | None):
    assert ('<i style="width:' in share_bar(share)) == (width is not None)
    assert width is None or f"width:{width}" in share_bar(share)
