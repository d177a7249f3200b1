runner.execute_in_background()
results = runner.abort()
