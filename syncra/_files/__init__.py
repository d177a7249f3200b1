"""Graphs from files and mappings, and back.

Nothing that a file says is believed: how much there may be of it is bounded, every
value is checked, and which code it may name is up to whoever reads it.
"""
