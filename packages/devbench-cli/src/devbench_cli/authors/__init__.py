"""What authors of plugins are helped with."""
