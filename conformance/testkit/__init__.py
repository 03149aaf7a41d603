"""What scenarios are written with."""
