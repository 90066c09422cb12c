"""One PostgreSQL database per region: its tables, and its queries, one module per aggregate."""
