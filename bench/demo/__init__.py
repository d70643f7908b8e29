"""The whole product on one machine: two edges, four sample cells, seeded users, traffic, a self-check."""
