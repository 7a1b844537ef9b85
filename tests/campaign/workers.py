"""Runs cases in several processes, each with its own clouds and stack."""

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
    """Run portions of cases until all are done."""
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
    """Run portions of cases, and yield each result as soon as it is there.

    Args:
        contender: the contender of the cases.
        portions: the cases; one process runs a portion, in order.
        jobs: the number of processes.
        until: the time after which no trial starts, in seconds since the epoch.
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
        # Unread results must not keep this process alive.
        queue.cancel_join_thread()
        for worker in workers:
            worker.join()
