"""What operators reach: the admin endpoint."""
