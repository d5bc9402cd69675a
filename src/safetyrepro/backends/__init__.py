"""Backends: whatever answers requests, behind one seam."""
