"""Which facts a topology can reach, as dimensions, and which of them count as the same.

A dimension has one value for each way in which a decision can differ. Merged are

- **facts that a decision does not read:** the name of a tenant, the days of a company that its
  region does not use, a grant when the tenant's own service asks. They have one value.
- **facts that are read in the same way:** residencies with the same jurisdictions and agreements,
  classes with the same rule, tenants with the same backends of their own.
- **days and times:** a decision compares them, so between two edges nothing changes. Each state
  has one day or time in it; the last and the first moments are edges.
- **combinations of very many companies:** a verdict on a backend rests on facts of its own company,
  and what is joint is a number alone. See ``placements``.

``tests/unit/test_policy_proof_merges.py`` draws what is merged at random, and finds no decision
that differs.
"""
