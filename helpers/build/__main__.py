"""`python -m helpers.build report` makes a run's report."""

import sys

from helpers.build.report import main

sys.exit(main())
