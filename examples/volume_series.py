"""How stiffness grows with cement: 0 to 30 % of the body filled, from the middle outwards.

Published work finds intact stiffness restored at about 30 % fill (Molloy 2003: 29.8 %).
"""

import sys

from vbsim.study import Case, run_case

FILLS_PERCENT = (0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0)


def case(fill_percent: float, spacing_mm: float) -> Case:
    """Return the case of one filling: a sweep replaces fields, nothing else."""
    return Case(
        name=f"volume series {fill_percent:g} percent",
        vertebra={"level": "L1", "person": "older_woman"},
        mesh={"spacing_mm": spacing_mm},
        bone={"vbmd_mg_cm3": 65.0},
        steps=[
            {"kind": "wedge", "grade": 2},
            {
                "kind": "cement",
                "filling_fraction_percent": fill_percent,
                "distribution": "central",
            },
        ],
    )


def series(results: str = "results", spacing_mm: float = 1.0) -> dict[float, float]:
    """Return stiffness / intact stiffness by fill in percent; intact is solved once for all."""
    found = {}
    for fill in FILLS_PERCENT:
        result = run_case(case(fill, spacing_mm), results)
        found[fill] = result.value("augmented", "stiffness_vs_intact")
    return found


if __name__ == "__main__":
    print("fill, % of body   stiffness / intact")
    for fill, ratio in series(*sys.argv[1:2]).items():
        print(f"{fill:15.0f}   {ratio:18.2f}")
