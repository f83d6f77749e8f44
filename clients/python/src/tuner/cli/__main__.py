"""`python -m tuner.cli`: the command line where the script `tuner` is not on the path."""

import sys

from tuner.cli.main import main

sys.exit(main())
