"""One PostgreSQL database per region: its tables, and all SQL of the project.

There is one module per aggregate. A query that a worker claims from stands in a function of its
own (``due``, ``to_plan``, ``old``, ...), which ``due`` counts too.

**Lock order.** A transaction takes the locks that it needs in this order, and holds them until it
ends:

1. advisory locks of tenants, in the order of their numbers (``engine.share_tenants``,
   ``engine.own_tenant``)
2. the advisory lock of the stage of the region (``stages.share``, ``stages.lock``)
3. the advisory lock of holds (``holds.share``, ``holds.own``)
4. the advisory lock of the ledger (``ledger.lock_events``, ``ledger.lock_numbers``)
5. rows of days, erasures, holds, copies and grants; those taken from a queue with ``SKIP LOCKED``
6. rows of objects, in the order of their ids (``objects.lock``)
7. rows of replicas, always after their object's

A check comes in a later statement than the lock that keeps its answer true, because a statement
sees what was committed before it began.

Three things are out of this order on purpose. Whatever deadlocks, ``Catalog.run`` repeats.

- Rows of records: an erasure locks them before their objects, because only the rows name the
  objects. A compaction and a relocation lock them after, because they may move a row only while
  they know that its object is stored.
- ``objects.mark_for_purge`` shares the lock of holds, also if the caller has locked the object that
  it is writing: the owner of that lock locks no other object than its own ledger entry.
- The writer of a day key takes the lock of its slot after the row of the key: no transaction takes
  the two in the other order.
"""
