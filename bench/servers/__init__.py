"""Real Redis and Cassandra servers on loopback, without Docker: for tests, `make up` and benches."""
