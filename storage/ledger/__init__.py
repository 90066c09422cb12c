"""Events that must outlive the catalog: written to the backends, then committed."""
