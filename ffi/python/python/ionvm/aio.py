"""Machines in asyncio programs: calls, questions and messages that can be awaited.

No threads are used up by waiting, so a program can have any number of questions open::

    async def main():
        with ionvm.Vm("app.ionpack") as vm:
            workers = [vm.spawn("Worker:worker") for _ in range(8)]
            print(await asyncio.gather(*(worker.ask_async(n) for n, worker in enumerate(workers))))
"""

from __future__ import annotations

# Importing these takes longer than everything else here; asyncio is imported when it is first used.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

__all__ = ["ask", "call", "receive"]


async def _answer(begin: Any, timeout: Optional[float]) -> Any:
    import asyncio

    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    # The ring comes on another thread, perhaps before this one has the question.
    question = begin(lambda: loop.call_soon_threadsafe(event.set))

    async def wait() -> Any:
        while True:
            event.clear()
            answer = question.poll()
            if answer is not None:
                return answer[0]
            await event.wait()

    if timeout is None:
        return await wait()
    try:
        return await asyncio.wait_for(wait(), timeout)
    except asyncio.TimeoutError:
        raise TimeoutError("no answer in time") from None


async def ask(pid: Any, message: Any, timeout: Optional[float] = None) -> Any:
    """As ``pid.ask``; also ``await pid.ask_async(message, timeout)``."""
    return await _answer(lambda ring: pid._begin_ask(message, ring), timeout)


async def call(vm: Any, function: str, *args: Any, timeout: Optional[float] = None) -> Any:
    """As ``vm.call``; also ``await vm.call_async(function, *args, timeout=…)``."""
    return await _answer(lambda ring: vm._begin_call(function, args, ring), timeout)


async def receive(vm: Any, timeout: Optional[float] = None) -> Any:
    """As ``vm.receive``; also ``await vm.receive_async(timeout)``. One task at a time may wait."""
    import asyncio

    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    vm._on_message(lambda: loop.call_soon_threadsafe(event.set))

    async def wait() -> Any:
        while True:
            event.clear()
            message = vm._poll()
            if message is not None:
                return message[0]
            await event.wait()

    try:
        if timeout is None:
            return await wait()
        return await asyncio.wait_for(wait(), timeout)
    except asyncio.TimeoutError:
        raise TimeoutError("no message in time") from None
    finally:
        vm._on_message(None)
