"""What Linux knows of sockets and Python does not ask it; facts and switches, no decisions."""
