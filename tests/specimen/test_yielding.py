"""Constituents of a strength test: as stiff as the linear body, as strong as their laws say."""

from __future__ import annotations

import numpy as np
import pytest

from vbsim.anatomy import Vertebra
from vbsim.augmentation import CementFill
from vbsim.fracture import Wedge
from vbsim.materials import Bone
from vbsim.materials.density_modulus import yield_stress_mpa
from vbsim.mesh import VoxelGrid
from vbsim.specimen import Potting, Specimen
from vbsim.specimen.yielding import trabecular_strength_mpa, yielding_constituents


@pytest.fixture(scope="module")
def stages():
    vertebra = Vertebra(level="L1")
    grid = VoxelGrid.around(vertebra, spacing_mm=3.0, margin_mm=16.0)
    intact = Specimen.from_bone(vertebra, grid, Bone(vbmd_mg_cm3=80.0))
    wedge = Wedge(grade=2).apply(intact)
    filled = CementFill(volume_ml=4.0, distribution="bipedicular").apply(wedge)
    return [Potting().apply(stage) for stage in (intact, wedge, filled)]


@pytest.mark.parametrize("index", range(3))
def test_the_sum_over_constituents_is_the_linear_stiffness(stages, index):
    specimen = stages[index]
    made = yielding_constituents(specimen)
    total = np.zeros((specimen.domain.n_cells, 9))
    np.add.at(total, made.cell, made.weight[:, None] * made.params[:, :9])
    linear = specimen.materials.mean_constants().reshape(-1, 9)
    np.testing.assert_allclose(total, linear, rtol=0, atol=1e-9 * linear.max())


def test_strength_is_the_published_yield_at_its_offset(stages):
    intact = stages[0]
    inside = intact.tissue.trabecular > 0.5
    ratio = trabecular_strength_mpa(intact)[inside] / yield_stress_mpa(intact.vbmd_mg_cm3[inside])
    # first yield 0.7, and a fall to 1/e in 0.3 % strain
    assert ratio == pytest.approx(1.0 / (1.0 - 0.3 * np.exp(-2.0 / 3.0)), rel=1e-12)


def test_crushed_bone_keeps_more_strength_than_modulus(stages):
    _, wedge, _ = stages
    band = (wedge.integrity < 0.5) & (wedge.tissue.trabecular > 0.5)
    assert band.any()
    factor = trabecular_strength_mpa(wedge)[band] / (
        yield_stress_mpa(wedge.vbmd_intact_mg_cm3[band]) / (1.0 - 0.3 * np.exp(-2.0 / 3.0))
    )
    assert (factor > wedge.integrity[band]).all()
    assert (factor <= 1.0 + 1e-12).all()
