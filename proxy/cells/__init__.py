"""What is known of the cells: inventory, flags, health."""
