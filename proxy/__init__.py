"""The edge proxy: carries each request to its user's home cell."""
