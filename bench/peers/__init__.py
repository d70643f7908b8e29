"""Home Cell beside nginx, HAProxy and Envoy: the same work in the same minute, by CPU time per request."""
