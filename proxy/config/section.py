"""What every mapping of the config has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One mapping of the file: read once, never changed, no key but the named ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
