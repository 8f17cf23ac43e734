"""``python -m vbsim``: the command line."""

from vbsim.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
