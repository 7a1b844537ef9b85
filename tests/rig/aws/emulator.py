"""The program of the child process: MiniStack, with IAM's missing rules, on a free port of 127.0.0.1.

It prints its port as one JSON line, then answers questions: one JSON line on standard input, one on standard output.
It ends when standard input does, which happens however its parent dies.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import traceback
from typing import Any

import uvicorn

from .serving import listen

_PARENT_CHECK_SECONDS = 1.0
_LONGEST_LINE = 16 * 2**20


async def _serve() -> None:
    listener = listen()
    os.environ["GATEWAY_PORT"] = str(listener.getsockname()[1])
    from . import iam_rules
    from .ministack import app

    iam_rules.install()
    config = uvicorn.Config(
        app.app,
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=300,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    if not serving.done():
        _say({"port": listener.getsockname()[1]})
        ends = [serving, asyncio.create_task(_answer_questions()), asyncio.create_task(_wait_for_orphanhood())]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    # Not a graceful end: nothing is worth waiting for once nobody is there to ask.
    os._exit(0)


async def _answer_questions() -> None:
    from .questions import answer

    reader = asyncio.StreamReader(limit=_LONGEST_LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        try:
            _say(answer(json.loads(line)))
        except Exception:  # noqa: BLE001 - whatever it is, the one who asked must be told, or waits for ever
            _say({"unanswered": traceback.format_exc()})


async def _wait_for_orphanhood() -> None:
    """A fork of the parent can hold the pipe open after the parent has died."""
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 - nothing tells of the death of a parent
        await asyncio.sleep(_PARENT_CHECK_SECONDS)


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message, separators=(",", ":")) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_serve())
