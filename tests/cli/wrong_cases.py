"""Wrong case files: what is changed in a good one, and what the message must say.

Each entry is (name, old text, new text, place in the file, words of the message).
"""

GOOD = """\
schema = 1
name = "wrong"

[vertebra]
level = "L1"

[mesh]
kind = "voxels"
spacing_mm = 3.0

[bone]
vbmd_mg_cm3 = 65.0

[potting]
kind = "pmma"

[[steps]]
kind = "wedge"
grade = 2

[[steps]]
kind = "cement"
cement = "pmma"
volume_ml = 5.0
distribution = "bipedicular"

[[tests]]
kind = "compression"

[solver]
tolerance = 1e-8
"""

VOLUME, DISTRIBUTION = "volume_ml = 5.0", 'distribution = "bipedicular"'

WRONG = [
    # Keys
    ("misspelt key", VOLUME, "volum_ml = 5.0", "steps[1].volum_ml", "did you mean volume_ml?"),
    ("wrong unit", VOLUME, "volume_mm3 = 5e3", "steps[1].volume_mm3", "volume_ml (given in ml)"),
    ("no unit", VOLUME, "volume = 5", "steps[1].volume", "did you mean volume_ml?"),
    ("spacing in cm", "spacing_mm = 3.0", "spacing_cm = 0.3", "mesh.spacing_cm", "spacing_mm"),
    (
        "density in g/cm3",
        "vbmd_mg_cm3 = 65.0",
        "vbmd_g_cm3 = 0.065",
        "bone.vbmd_g_cm3",
        "vbmd_mg_cm3 (given in mg/cm3)",
    ),
    (
        "force in kN",
        'kind = "compression"',
        'kind = "compression"\nforce_kn = 1',
        "tests[0].force_kn",
        "force_n (given in N)",
    ),
    ("misspelt table", "[mesh]", "[mehs]", "mehs", "did you mean mesh?"),
    ("unknown table", "[potting]", "[glue]", "glue", "known are bone"),
    (
        "key of another kind",
        "grade = 2",
        "grade = 2\nvolume_ml = 1",
        "steps[0].volume_ml",
        "unknown",
    ),
    ("upper case", 'level = "L1"', 'Level = "L1"', "vertebra.Level", "did you mean level?"),
    (
        "key in a nested table",
        "grade = 2",
        "grade = 2\ncleft = { thickness = 3 }",
        "steps[0].cleft.thickness",
        "did you mean thickness_mm?",
    ),
    # Kinds
    ("unknown step", 'kind = "wedge"', 'kind = "wegde"', "steps[0].kind", "did you mean wedge?"),
    ("step without kind", 'kind = "wedge"\n', "", "steps[0].kind", "one of wedge, biconcave"),
    ("kind is a number", 'kind = "wedge"', "kind = 3", "steps[0].kind", "known are wedge"),
    (
        "unknown test",
        'kind = "compression"',
        'kind = "compresion"',
        "tests[0].kind",
        "did you mean compression?",
    ),
    ("unknown mesh", 'kind = "voxels"', 'kind = "wedges"', "mesh.kind", "voxels, hexa, tetra"),
    (
        "unknown distribution",
        DISTRIBUTION,
        'distribution = "bipedicula"',
        "steps[1].distribution",
        "did you mean 'bipedicular'?",
    ),
    (
        "unknown distribution table",
        DISTRIBUTION,
        'distribution = { kind = "blob" }',
        "steps[1].distribution.kind",
        "known are bipedicular",
    ),
    (
        "unknown side",
        DISTRIBUTION,
        'distribution = { kind = "unipedicular", side = "lft" }',
        "steps[1].distribution.side",
        "did you mean left?",
    ),
    (
        "unknown cement",
        'cement = "pmma"',
        'cement = "pmna"',
        "steps[1].cement",
        "did you mean pmma?",
    ),
    ("unknown level", 'level = "L1"', 'level = "L7"', "vertebra.level", "T5 to L5"),
    # Values
    ("no volume", f"{VOLUME}\n", "", "steps[1]", "give volume_ml or filling_fraction_percent"),
    (
        "two volumes",
        VOLUME,
        f"{VOLUME}\nfilling_fraction_percent = 20",
        "steps[1]",
        "not both",
    ),
    ("negative volume", VOLUME, "volume_ml = -1.0", "steps[1].volume_ml", "= -1.0: must be"),
    ("volume as text", VOLUME, 'volume_ml = "5"', "steps[1].volume_ml", "without quotes"),
    ("volume as truth", VOLUME, "volume_ml = true", "steps[1].volume_ml", "= true: must be a"),
    ("volume as list", VOLUME, "volume_ml = [5.0]", "steps[1].volume_ml", "valid number"),
    ("volume not a number", VOLUME, "volume_ml = nan", "steps[1].volume_ml", "finite"),
    ("volume infinite", VOLUME, "volume_ml = inf", "steps[1].volume_ml", "finite"),
    ("no spacing", "spacing_mm = 3.0", "spacing_mm = 0", "mesh.spacing_mm", "= 0: must be"),
    ("grade 4", "grade = 2", "grade = 4", "steps[0].grade", "must be 1, 2 or 3"),
    ("no grade", "grade = 2\n", "", "steps[0]", "give either grade"),
    ("density as g/cm3", "= 65.0", "= 0.065", "bone.vbmd_mg_cm3", "= 0.065: must be"),
    ("tolerance too loose", "= 1e-8", "= 0.1", "solver.tolerance", "= 0.1: must be"),
    (
        "flexion without a moment",
        'kind = "compression"',
        'kind = "flexion"\nmoment_n_mm = 0',
        "tests[0].moment_n_mm",
        "must not be 0",
    ),
    (
        "lateral bending without a moment",
        'kind = "compression"',
        'kind = "lateral_bending"\nmoment_n_mm = -0.0\nforce_n = 500',
        "tests[0].moment_n_mm",
        "must not be 0",
    ),
    (
        "tip with two numbers",
        DISTRIBUTION,
        'distribution = { kind = "unipedicular", side = "left", tip = [1, 2] }',
        "steps[1].distribution.tip[2]",
        "missing",
    ),
    ("empty name", 'name = "wrong"', 'name = ""', "name", "at least 1 character"),
    ("no name", 'name = "wrong"\n', "", "name", "required, but missing"),
    ("name is a date", 'name = "wrong"', "name = 2020-01-01", "name", "dates and times"),
    ("no level", 'level = "L1"\n', "", "vertebra.level", "required, but missing"),
    ("other schema", "schema = 1", "schema = 2", "schema", "this program reads version 1"),
    ("no standing load", "schema = 1", "schema = 1\nstanding_load_n = 0", "standing_load_n", "= 0"),
    (
        "top key in a table",
        "grade = 2",
        "grade = 2\nstanding_load_n = 500.0",
        "steps[0].standing_load_n",
        "before the first [table]",
    ),
    # Order and geometry
    (
        "reduction first",
        'kind = "wedge"\ngrade = 2',
        'kind = "reduction"\nfraction = 0.5',
        "steps[0]",
        "needs a fracture before it",
    ),
    ("more than fits", VOLUME, "volume_ml = 30.0", "steps[1].volume_ml", "at most"),
    (
        "tip outside the body",
        DISTRIBUTION,
        'distribution = { kind = "unipedicular", side = "left", tip = [60.0, 0.0, 0.0] }',
        "steps[1]",
        "inside the body",
    ),
    (
        "a fracture that grows",
        "grade = 2",
        "height_anterior_mm = 60.0",
        "steps[0]",
        "at most the present height",
    ),
    (
        "caps outside the grid",
        "spacing_mm = 3.0",
        "spacing_mm = 3.0\nmargin_mm = 5.0",
        "potting",
        "raise margin_mm",
    ),
    # Images named in the case
    (
        "image without labels",
        'level = "L1"',
        'level = "L1"\nimage = "a.nii.gz"',
        "vertebra.labels",
        "required, but missing",
    ),
]
