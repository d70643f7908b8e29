"""The lookup as an HTTP service: for edges without databases of their own, and for other programs."""
