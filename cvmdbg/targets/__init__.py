"""What stands behind the one target interface."""
