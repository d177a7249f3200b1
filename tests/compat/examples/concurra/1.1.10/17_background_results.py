runner.execute_in_background()
results = runner.get_background_results()   # blocks until done; no manual polling needed
