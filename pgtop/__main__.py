"""`python -m pgtop`."""

import sys

from pgtop.cli.main import main

sys.exit(main())
