"""Bugs in how puts of an event loop are submitted and answered."""

from tests.mutants.bugs.bug import bug

PUTS = "tests/faults/test_async_puts.py"
ORDER = "tests/unit/test_async_puts.py"
CANCELLED = "tests/integration/test_async_cancellation.py"
FILE = "client/aio/puts.py"

BUGS = (
    bug(
        "a cancelled put is stored although no thread had begun with it",
        FILE,
        "                if not one.told.cancelled():\n",
        "                if True:\n",
        PUTS,
        CANCELLED,
    ),
    bug(
        "a put is accepted while the store of its event loop closes",
        FILE,
        "        self._threads.check_open()\n",
        "",
        PUTS,
    ),
    bug(
        "puts of tenants that wait for others go to no other thread",
        FILE,
        "            begins = bool(self._ready) and slow and self._workers < _WORKERS\n",
        "            begins = False\n",
        ORDER,
    ),
    bug(
        "it is seen only once whether the threads for puts are enough",
        FILE,
        "            bell.watched = bool(self._ready)\n",
        "            bell.watched = False\n",
        ORDER,
    ),
    bug(
        "each tenant's puts take a thread of their own",
        FILE,
        "            begins = not self._workers\n",
        "            begins = fresh\n",
        ORDER,
    ),
    bug(
        "a tenant's thread lets no other tenant have its turn",
        FILE,
        "            for _ in range(_TURN):\n",
        "            while True:\n",
        ORDER,
    ),
    bug(
        "puts that no thread took get no answer when the store closes",
        FILE,
        "            if (error := call.exception()) is not None:\n"
        "                self._fail(error)\n\n        try:\n",
        "            call.exception()\n\n        try:\n",
        PUTS,
    ),
    bug(
        "the put that a thread submits gets no answer when the store closes",
        FILE,
        "[*self.waiting] if self.current is None else [self.current, *self.waiting]",
        "[*self.waiting]",
        PUTS,
    ),
    bug(
        "a put whose time is over goes before those whose time is not",
        "packs/prepare.py",
        "        if monotonic() > since + self._region.limits.wait:\n            raise busy()\n",
        "",
        PUTS,
    ),
    bug(
        "each put waits for room after the one before it",
        FILE,
        "self._new, self, self._since, alone=alone)",
        "self._new, self, monotonic(), alone=alone)",
        PUTS,
    ),
    bug(
        "any number of puts of an event loop wait",
        FILE,
        "            if self._taken and taken + weight > self._free - weight:\n",
        "            if False:\n",
        ORDER,
    ),
    bug(
        "one tenant may take all the room for puts",
        FILE,
        "            if self._taken and taken + weight > self._free - weight:\n",
        "            if self._taken and weight > self._free:\n",
        ORDER,
    ),
    bug(
        "a put that is larger than the room for all is never taken",
        FILE,
        "            if self._taken and taken + weight > self._free - weight:\n",
        "            if taken + weight > self._free - weight:\n",
        ORDER,
    ),
    bug(
        "the room of a put that was answered is not free again",
        FILE,
        "        self._room.leave(self.writes.id, self.weight())\n",
        "",
        ORDER,
    ),
    bug(
        "the room of a put that was cancelled is not free again",
        FILE,
        "                one.fail(CancelledError())\n            self._queues",
        "            self._queues",
        ORDER,
    ),
    bug(
        "the room of a large put that was cancelled is not free again",
        FILE,
        "                one.fail(CancelledError())\n            else:\n",
        "                pass\n            else:\n",
        ORDER,
    ),
    bug(
        "one put that is refused fails those behind it",
        FILE,
        "            self.fail(error)\n            return True\n",
        "            self.fail(error)\n            raise\n",
        PUTS,
    ),
    bug(
        "a large body is sent before the small ones behind it",
        "packs/prepare.py",
        "        if record.streamed:\n            return False\n",
        "        if record.streamed:\n"
        "            write_large(self._region, self._keys, record, [new.body])\n"
        "            return True\n",
        PUTS,
    ),
    bug(
        "a put of an event loop runs in no caller's context",
        FILE,
        "self._context.run(self.writes.queue, self._new, self, self._since, alone=alone)",
        "self.writes.queue(self._new, self, self._since, alone=alone)",
        PUTS,
    ),
    bug(
        "an event loop goes on by terms that changed",
        FILE,
        "            self.writes.forget_terms()  # before its caller tries again\n",
        "            pass\n",
        PUTS,
    ),
    bug(
        "an event loop is woken for each answer",
        FILE,
        "            self._rung = True\n",
        "            pass\n",
        ORDER,
    ),
    bug(
        "an answer that comes while the event loop looks is lost",
        FILE,
        "        self._rung = False  # before it looks: who comes from now on rings again\n"
        "        while self._answered:\n"
        "            told = self._answered.popleft().told\n"
        "            if not told.done():  # cancelled\n"
        "                told.set_result(None)\n",
        "        while self._answered:\n"
        "            told = self._answered.popleft().told\n"
        "            if not told.done():  # cancelled\n"
        "                told.set_result(None)\n"
        "        self._rung = False\n",
        ORDER,
    ),
    bug(
        "a cancelled put keeps the answers of others",
        FILE,
        "            if not told.done():  # cancelled\n",
        "            if True:\n",
        PUTS,
    ),
    bug(
        "an event loop that has ended fails the writes of others",
        FILE,
        "            with suppress(RuntimeError):  # the event loop is closed\n"
        "                self.loop.call_soon_threadsafe(self._tell)\n",
        "            self.loop.call_soon_threadsafe(self._tell)\n",
        PUTS,
    ),
    bug(
        "a large put is refused because the store closes",
        FILE,
        "        except DomicileError:  # closed, or no thread can be started\n"
        "            send()\n",
        "        except DomicileError as error:\n            one.fail(error)\n",
        PUTS,
    ),
    bug(
        "a put in a forked process waits for ever",
        "client/aio/threads.py",
        "        check_process(self._process)\n        self._writes.check_open()\n",
        "        self._writes.check_open()\n",
        "tests/integration/test_fork.py",
    ),
    bug(
        "a new event loop waits for the answers of an old one",
        FILE,
        "bell is None or bell.loop is not loop",
        "bell is None",
        PUTS,
    ),
)
