"""Requests at the same time, but not too many of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


async def gather_limited(
    function: Callable[[_Item], Awaitable[_Result]], items: Iterable[_Item], limit: int
) -> list[_Result]:
    """Call a function with each item.

    Args:
        function: the function.
        items: the items.
        limit: the maximum number of calls at the same time.

    Returns:
        The results, in the order of the items.
    """
    gate = asyncio.Semaphore(limit)

    async def call(item: _Item) -> _Result:
        async with gate:
            return await function(item)

    return await asyncio.gather(*(call(item) for item in items))
