"""Requests at the same time."""

from __future__ import annotations

import asyncio

from pulumi_codespaces.clients.concurrency import gather_limited


def test_so_many_at_a_time_and_the_results_in_order():
    running, most = 0, 0

    async def double(number):
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(number):
            await asyncio.sleep(0)
        running -= 1
        return number * 2

    assert asyncio.run(gather_limited(double, range(5, 0, -1), 2)) == [10, 8, 6, 4, 2]
    assert most == 2


def test_nothing_to_do():
    assert asyncio.run(gather_limited(asyncio.sleep, [], 2)) == []
