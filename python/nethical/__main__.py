"""The ``nethical`` command, also as ``python -m nethical``."""

from __future__ import annotations

import signal
import sys

from . import _core


def main() -> None:
    """Run the command with the arguments of this process, and end the process as the command ends."""
    # Python would only note Ctrl-C, and look at it when the command has ended.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _core.command(["nethical", *sys.argv[1:]])


if __name__ == "__main__":
    main()
