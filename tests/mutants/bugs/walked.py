"""Ways around a permit, in each part of the interface: new ones, and ones in what was there."""

from tests.mutants.bugs.bug import Bug, bug

WALK = "tests/integration/test_nothing_opens.py"

_FORGED = "self.bind(Actor('chat', ActorKind.CUSTOMER, 'acme', 'EU'))"
_PEEK = f"""
    def peek(self, id: Id) -> bytes:
        from storage.model import ActorKind
        return {_FORGED}.get(id, purpose=Purpose.SERVE).body

"""

BUGS: tuple[Bug, ...] = (
    bug(
        "a new method of a tenant opens without an actor",
        "client/tenant.py",
        "    def object(self, company: str,",
        f"{_PEEK}    def object(self, company: str,",
        WALK,
    ),
    bug(
        "an explanation has the content",
        "client/tenant.py",
        "        return explain_purpose(served.region, terms, record_id, purpose, at)\n",
        "        from storage.model import ActorKind\n"
        f"        return {_FORGED}.get(id, purpose=Purpose.SERVE)  # type: ignore\n",
        WALK,
    ),
    bug(
        "a new method of an asynchronous tenant opens without an actor",
        "client/aio/tenant.py",
        "    async def object(self, company: str,",
        "    async def peek(self, id: Id) -> bytes:\n"
        "        from storage.model import ActorKind\n"
        f"        t = {_FORGED.replace('self', 'self._tenant')}\n"
        "        return (await self._threads.call(t.get, id, purpose=Purpose.SERVE)).body\n\n"
        "    async def object(self, company: str,",
        WALK,
    ),
    bug(
        "an asynchronous explanation has the content",
        "client/aio/tenant.py",
        "        return await self._threads.call(self._tenant.explain, id)\n",
        "        from storage.model import ActorKind\n"
        f"        t = {_FORGED.replace('self', 'self._tenant')}\n"
        "        return await self._threads.call(t.get, id, purpose=Purpose.SERVE)\n",
        WALK,
    ),
    bug(
        "the kit for tests has a new way to read",
        "testing/harness.py",
        "    def take_down(self,",
        "    def peek(self, tenant: str, id: object) -> bytes:\n"
        "        return self.tenant(tenant).get(id, purpose='serve').body\n\n"
        "    def take_down(self,",
        WALK,
    ),
    bug(
        "a run of the worker of the kit returns content",
        "testing/harness.py",
        "        return worker_of(self.homes, self.log).run_once()\n",
        "        t = self.tenant('acme-eu')\n"
        "        self.read = [t.get(i.id, purpose='serve') for i in t.list(subject='u')]\n"
        "        return worker_of(self.homes, self.log).run_once() | {'x': self.read}\n",
        WALK,
    ),
    bug(
        "a command is new",
        "cli/app.py",
        "app.command(rich_help_panel=_RECORDS)(explain.explain)\n",
        "app.command(rich_help_panel=_RECORDS)(explain.explain)\n"
        'app.command("peek", rich_help_panel=_RECORDS)(get.get)\n',
        WALK,
    ),
    bug(
        "a command shows the content",
        "cli/commands/explain.py",
        "        found = store.tenant(tenant).explain(record_id)\n",
        "        t = store.tenant(tenant)\n"
        "        found = t.explain(record_id)\n"
        "        from storage.model import Actor, ActorKind, Purpose\n"
        "        me = Actor('chat', ActorKind.CUSTOMER, 'acme', 'EU')\n"
        "        print_value(t.bind(me).get(record_id, purpose=Purpose.SERVE).body.decode())\n",
        WALK,
    ),
)
