"""What each hook adds to a request: to one after the other, and to many at once.

Everything runs in this process and on this machine, below a directory that must be on a real disk:
an embedded PostgreSQL and directories as backends, both with fsync. ``prompt`` is what a gateway
waits for before it calls the model, ``answer`` what it waits for before it gives the answer;
``completion hook`` is what a caller of an instrumented client waits for.
"""

import argparse
import asyncio
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from storage import Dpa, Settings, Store, TenantSpec, open_store
from storage.contrib.exchanges import Asker, Exchange, Exchanges, Level
from storage.contrib.otel_genai import DomicileCompletionHook, asking

TEXT = "Which lake is that, and how deep is it? " * 50  # 2 KB
ASKER = Asker("acme-eu", "user-7", "thread-9")
AT_ONCE = 64
PAUSE = 0.02  # seconds between two completions: the queue is not what is measured


def percentiles(seconds: list[float]) -> str:
    """Return the median and the 99th percentile, in milliseconds."""
    ordered = sorted(seconds)
    return " ".join(
        f"p{of} {ordered[min(len(ordered) - 1, len(ordered) * of // 100)] * 1000:8.2f} ms"
        for of in (50, 99)
    )


async def gateway(store: Store, count: int, at_once: int) -> tuple[list[float], list[float]]:
    """Store some exchanges at a time, and return how long their prompts and answers took."""

    @contextmanager
    def opening() -> Iterator[Store]:
        yield store

    exchanges = Exchanges(opening)
    room = asyncio.Semaphore(at_once)
    prompts: list[float] = []
    answers: list[float] = []

    async def timed(work: Awaitable[object], into: list[float]) -> object:
        begun = time.perf_counter()
        found = await work
        into.append(time.perf_counter() - begun)
        return found

    async def exchange(number: int) -> None:
        async with room:
            request = {"messages": [{"role": "user", "content": TEXT}]}
            begin = exchanges.begin(
                ASKER, Level.FULL, call=f"{at_once}-{number}", request=request, facts={"model": "m"}
            )
            begun = await timed(begin, prompts)
            assert isinstance(begun, Exchange)
            await timed(exchanges.end(begun, {"content": TEXT}), answers)

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(exchange(number))
    await asyncio.to_thread(exchanges.close)
    return prompts, answers


def instrumented(store: Store, count: int) -> list[float]:
    """Report completions one after the other, and return how long each caller waited."""
    hook = DomicileCompletionHook()
    report: Callable[[], None] = lambda: hook.on_completion(  # noqa: E731
        inputs=[TEXT], outputs=[TEXT], system_instruction=[]
    )
    waited: list[float] = []
    with asking(store.tenant("acme-eu"), subject="user-7"):
        for _ in range(count):
            time.sleep(PAUSE)
            begun = time.perf_counter()
            report()
            waited.append(time.perf_counter() - begun)
    hook.shutdown(timeout_sec=60)
    assert not hook.dropped, hook.dropped
    return waited


def main() -> None:
    """Measure, and print what each hook adds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, help="where data goes: on a real disk")
    parser.add_argument("--count", type=int, default=1000)
    given = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="domicile-", dir=given.directory))
    home.chmod(0o755)
    try:
        with open_store(Settings(home=home / "data")) as store:
            dpa = Dpa(signed=date(2026, 1, 5))
            store.admin.tenants.ensure(
                TenantSpec("acme-eu", "acme", "eu-central-1", "EU", agreements=[dpa])
            )
            for at_once in (1, AT_ONCE):
                asyncio.run(gateway(store, AT_ONCE, at_once + 1000))  # warm
                prompts, answers = asyncio.run(gateway(store, given.count, at_once))
                print(f"{at_once:3} at once  prompt           {percentiles(prompts)}")
                print(f"{at_once:3} at once  answer           {percentiles(answers)}")
            print(f"  1 at once  completion hook  {percentiles(instrumented(store, given.count))}")
    finally:
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
