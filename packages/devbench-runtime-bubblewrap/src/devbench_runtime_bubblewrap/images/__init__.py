"""Imported root file systems."""
