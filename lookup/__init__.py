"""Which cell is home? A library, a service and the write path; knows nothing of the proxy."""
