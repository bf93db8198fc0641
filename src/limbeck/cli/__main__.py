"""`python -m limbeck.cli`, the same as `limbeck`."""

import sys

from limbeck.cli.main import main

sys.exit(main())
