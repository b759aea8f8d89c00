"""Revisions of the protocol that make a difference here."""

from __future__ import annotations

MODERN = "2026-07-28"
"""The first stateless revision."""
