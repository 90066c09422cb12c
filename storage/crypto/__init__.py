"""Keys, sealed bodies and metadata, streams, pseudonyms."""
