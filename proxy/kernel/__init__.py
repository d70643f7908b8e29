"""What Linux knows and does and Python does not ask it for; facts and switches, no decisions."""
