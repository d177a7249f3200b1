"""Interfaces of other systems on Syncra: their scripts run with another import."""
