"""Starts the language host: `python -m language_host EXECUTOR [FLAG ...] ENGINE`. It prints its port first."""

import os
import signal
import sys
from pathlib import Path


def _leave_quietly(_signal: int, _frame: object) -> None:
    os._exit(0)


if __name__ == "__main__":
    # The engine interrupts its plugins when it is through, which can be while they still start. Importing gRPC takes a
    # tenth of a second, and the traceback of a KeyboardInterrupt in it would be shown in the middle of a preview.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave_quietly)

    from protocol_only import import_protocol_only

    import_protocol_only()
    from .host import serve

    serve(Path(sys.argv[1]), sys.argv[2:])
