"""Decisions about one request: pure, with time and randomness as arguments."""
