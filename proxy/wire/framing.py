"""How a message's body ends (RFC 9112 section 6.3). Plain constants, because compiled code inlines them."""

from __future__ import annotations

from typing import Final

NO_BODY: Final = 0
LENGTH: Final = 1
CHUNKED: Final = 2
UNTIL_CLOSE: Final = 3
