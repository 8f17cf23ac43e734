from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vbsim.checks import InvalidInput, Parameters
from vbsim.data import constant, names, value
from vbsim.materials.cement import BoneCementLaw, Cement, cement, cement_names

LAW_KINDS = ("pure", "reduced", "rule_of_mixtures", "density_weighted")


class Step(Parameters):
    cement: Cement
    law: BoneCementLaw = BoneCementLaw()


@pytest.mark.parametrize("name", cement_names())
def test_library_cements_are_complete_and_sourced(name: str) -> None:
    found = cement(name)
    assert found.name == name
    for key in names(f"cements.{name}"):
        leaf = constant(f"cements.{name}.{key}")
        assert leaf.source
        assert leaf.status in {"R", "Rc", "M", "D", "C"}
        assert getattr(found, key) == leaf.value


def test_the_five_families_are_there() -> None:
    assert set(cement_names()) == {
        "pmma",
        "low_modulus_pmma",
        "calcium_phosphate",
        "glass_polyalkenoate",
        "silicone",
    }


def test_a_name_a_table_and_an_object_are_accepted() -> None:
    assert Step(cement="pmma").cement == cement("pmma")
    assert Step(cement={"name": "a", "youngs_modulus_mpa": 900}).cement.youngs_modulus_mpa == 900
    assert Step(cement=cement("silicone")).cement.poisson == 0.48
    assert Step(cement="pmma", law="pure").law.kind == "pure"
    assert Step(cement="pmma", law={"kind": "pure", "interface_factor": 0.5}).law.kind == "pure"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cement": "pma"}, "one of pmma"),
        ({"cement": {"youngs_modulus_mpa": -1.0}}, "youngs_modulus_mpa"),
        ({"cement": {"youngs_modulus_mpa": 900.0, "poisson": 0.5}}, "poisson"),
        ({"cement": {"name": "no modulus"}}, "youngs_modulus_mpa"),
        ({"cement": "pmma", "law": "reuss"}, "law"),
        ({"cement": "pmma", "law": {"interface_factor": 0.0}}, "interface_factor"),
        ({"cement": "pmma", "law": {"saturation_exponent": 0.5}}, "saturation_exponent"),
    ],
)
def test_impossible_cements_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Step(**arguments)


def test_the_default_composite_is_softer_than_the_cement_by_the_calibrated_factor() -> None:
    mixture = BoneCementLaw().mixture(0.06, cement("pmma"))
    assert float(mixture.bone) == 0.0
    assert float(mixture.cement) == value("bone.composite.modulus_factor")
    # a fraction of pure cement, more than what contact (0.80) and shrinkage (0.76) alone leave over
    assert 0.3 < float(mixture.cement) < 0.61


@pytest.mark.parametrize("kind", LAW_KINDS)
@pytest.mark.parametrize("bvtv", [0.0, 0.05, 0.3, 1.0])
def test_composites_stay_below_bone_and_cement_side_by_side(kind: str, bvtv: float) -> None:
    bone_mpa = 200.0
    for filler in map(cement, cement_names()):
        mixture = BoneCementLaw(kind=kind).mixture(bvtv, filler)
        modulus = float(mixture.bone) * bone_mpa + float(mixture.cement) * filler.youngs_modulus_mpa
        assert 0.0 <= modulus <= bone_mpa + filler.youngs_modulus_mpa


def test_the_reduced_modulus_is_well_below_the_rule_of_mixtures() -> None:
    # Published band: at most 0.8 of the rule of mixtures.
    bvtv, bone_mpa, filler = 0.0565, 170.0, cement("pmma")
    moduli = {}
    for kind in LAW_KINDS:
        bone_share, cement_share = BoneCementLaw(kind=kind).mixture(bvtv, filler)
        moduli[kind] = bone_share * bone_mpa + cement_share * filler.youngs_modulus_mpa
    assert moduli["reduced"] <= 0.8 * moduli["rule_of_mixtures"]
    assert moduli["reduced"] < moduli["density_weighted"] < moduli["pure"]


def test_density_weighted_is_a_mean_of_bone_and_cement() -> None:
    bone_share, cement_share = BoneCementLaw(kind="density_weighted").mixture(
        np.array([0.0, 0.1, 1.0]), cement("pmma")
    )
    np.testing.assert_allclose(bone_share + cement_share, 1.0)
    # 0.1 of bone at 1.9 g/cm3 beside 0.9 of cement at 1.2 g/cm3
    np.testing.assert_allclose(bone_share, [0.0, 0.19 / (0.19 + 1.08), 1.0])
