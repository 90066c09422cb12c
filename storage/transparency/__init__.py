"""The region's transparency log: sealed in batches, published, read, proved and restored."""
