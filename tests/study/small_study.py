"""A study that is small enough for every test to run its own."""

from vbsim.study import Case

# 4 mm cells: a second per stage; nothing here asks whether the numbers are good.
SPACING_MM = 4.0


def small_case(**changes):
    content = {
        "name": "small wedge",
        "vertebra": {"level": "L1"},
        "mesh": {"spacing_mm": SPACING_MM},
        "steps": [
            {"kind": "wedge", "grade": 2},
            {"kind": "cement", "volume_ml": 4.0, "distribution": "central"},
        ],
        "tests": [{"kind": "compression"}, {"kind": "flexion"}],
    }
    return Case(**(content | changes))
