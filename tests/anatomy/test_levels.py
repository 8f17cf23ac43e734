from __future__ import annotations

from dataclasses import fields

import pytest

from vbsim.anatomy.levels import LEVELS, LevelReference, level_reference
from vbsim.checks import InvalidInput
from vbsim.data import constant, names, recording, value

GROUPS = ["people.adult", "outline", "bowl", "cortex", "pedicle", "genant"]
STATUSES = {"R", "Rc", "M", "D", "C"}


def test_thirteen_levels_in_order() -> None:
    assert (len(LEVELS), LEVELS[0], LEVELS[7], LEVELS[8], LEVELS[-1]) == (
        13,
        "T5",
        "T12",
        "L1",
        "L5",
    )
    assert names("anatomy.levels") == LEVELS


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_has_plausible_dimensions(level: str) -> None:
    reference = level_reference(level)
    assert reference.level == level
    depth_to_width = (
        reference.endplate_depth_superior_mm / reference.endplate_width_superior_mm,
        reference.endplate_depth_inferior_mm / reference.endplate_width_inferior_mm,
    )
    # Heart-shaped thoracic bodies are about as deep as wide, kidney-shaped lumbar ones 0.65-0.85.
    low, high = (0.78, 1.02) if level in LEVELS[:8] else (0.65, 0.85)
    assert all(low <= ratio <= high for ratio in depth_to_width)
    assert 15.0 < reference.height_anterior_mm < 27.0
    assert 0.5 <= reference.concavity_superior_mm < reference.concavity_inferior_mm < 2.0
    assert reference.pedicle_height_mm < reference.height_posterior_mm


@pytest.mark.parametrize("level", LEVELS)
def test_every_number_says_where_it_comes_from(level: str) -> None:
    for field in fields(LevelReference)[1:]:
        found = constant(f"anatomy.levels.{level}.{field.name}")
        assert found.status in STATUSES
        assert found.unit == field.name.rsplit("_", 1)[1]
        assert len(found.source) > 20  # a sentence, not an unresolved key


@pytest.mark.parametrize("group", GROUPS)
def test_shape_constants_have_resolved_sources(group: str) -> None:
    for name in names(f"anatomy.{group}"):
        found = constant(f"anatomy.{group}.{name}")
        assert found.status in STATUSES
        assert " " in found.source


def test_looking_up_a_level_is_recorded() -> None:
    with recording() as used:
        level_reference("T8")
    assert "anatomy.levels.T8.endplate_width_superior_mm" in used
    assert len(used) == len(fields(LevelReference)) - 1


def test_means_grow_from_head_to_foot() -> None:
    widths = [level_reference(level).endplate_width_superior_mm for level in LEVELS]
    assert widths == sorted(widths)


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("l1", "L1"), ("T4", "T5"), ("L6", "L5"), ("T13", "T12"), ("Th8", "T8"), ("lumbar 3", "L3")],
)
def test_unknown_level_is_refused_with_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(InvalidInput, match=rf"level = '{wrong}'.*did you mean '{near}'"):
        level_reference(wrong)


def test_women_and_men_bands_are_ordered() -> None:
    for level in names("anatomy.wedge"):
        women = value(f"anatomy.wedge.{level}.women_deg")
        assert women < value(f"anatomy.wedge.{level}.men_deg")
