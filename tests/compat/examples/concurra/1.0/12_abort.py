runner.abort()
