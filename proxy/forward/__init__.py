"""Sockets: client connections, cell connections, and one request's way between them."""
