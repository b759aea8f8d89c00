"""The frozen values that use cases, plugins and front ends exchange."""
