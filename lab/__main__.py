"""`python -m lab` is the same as lab/lab."""

import sys

from lab.cli import main

sys.exit(main())
