results = runner.run()
print(results)
