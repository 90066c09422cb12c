"""Recovery of a restored catalog from the ledger and the backends."""
