"""The small case whose folder and pictures are looked at."""

# 3 mm cells: two seconds a stage; nothing here asks whether the numbers are good.
CASE = {
    "name": "L1 <wedge> & cement",
    "vertebra": {"level": "L1"},
    "mesh": {"spacing_mm": 3.0},
    "steps": [
        {"kind": "wedge", "grade": 2},
        {"kind": "cement", "volume_ml": 4.0, "distribution": "unipedicular_left"},
    ],
    "tests": [{"kind": "compression"}],
}
