"""The same API for asyncio. A module here has the async counterpart of the module of that name.

No logic is repeated: calls run in threads of the store. Only the wait for a pack, which is most of
a write, takes no thread: the writer's futures are awaited.
"""
