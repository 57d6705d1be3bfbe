"""`python -m topklm` is `topklm`."""

import sys

from topklm.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
