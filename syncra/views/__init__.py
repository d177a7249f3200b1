"""What users look at: graphs and runs as pictures and as text."""
