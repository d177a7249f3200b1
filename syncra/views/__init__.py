"""What a run looks like: a page, a trace. Imported by whoever asks for one."""
