"""What users look at: graphs as pictures and text, runs as a page and a trace."""
