"""Modules that samples import."""
