"""What users of replaced systems import instead: the same names, on this engine."""
