"""Log entries in, records out: one streaming pass in constant memory, for every judge."""
