"""Bytes to meaning and back, without sockets: heads, framing, rewriting, own replies."""
