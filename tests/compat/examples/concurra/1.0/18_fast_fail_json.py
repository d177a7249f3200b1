print(json.dumps(results, indent=4))
