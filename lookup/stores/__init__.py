"""The truth about assignments: one module for each kind of store."""
