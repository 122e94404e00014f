"""``python -m edgeface.cli``: the same as ``python -m edgeface``."""

import sys

from edgeface.cli import main

sys.exit(main())
