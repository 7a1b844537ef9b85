"""Carries out cases in several processes, each with clouds and a stack of its own."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from .trial import Bench

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .trial import Case


def _work(contender: str, portions: Any, results: Any, until: float) -> None:
    """Carry out portions of cases until there are none left."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    bench = Bench(contender).__enter__()
    try:
        while (portion := portions.get()) is not None:
            for case in portion:
                if time.time() > until:
                    break
                results.put(bench.try_case(case).as_dict())
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        bench.__exit__()
        results.put(None)


def carry_out(contender: str, portions: Sequence[list[Case]], jobs: int, until: float) -> Iterator[dict[str, Any]]:
    """Carry out portions of cases, and give each result as it comes.

    Args:
        contender: whose cases.
        portions: each is carried out by one process, in order.
        jobs: how many processes.
        until: when to begin no more trials, in seconds since the epoch.
    """
    context = multiprocessing.get_context("spawn")
    queue, results = context.Queue(), context.Queue()
    jobs = min(jobs, len(portions))
    for portion in [*portions, *[None] * jobs]:
        queue.put(portion)
    workers = [context.Process(target=_work, args=(contender, queue, results, until)) for _ in range(jobs)]
    for worker in workers:
        worker.start()
    ended = 0
    try:
        while ended < jobs:
            result = results.get()
            if result is None:
                ended += 1
            else:
                yield result
    finally:
        for worker in workers:
            if worker.is_alive():
                worker.terminate()
        # What nobody is going to read must not keep this process.
        queue.cancel_join_thread()
        for worker in workers:
            worker.join()
