from syncra.compat import concurra

runner = concurra.TaskRunner(max_concurrency=2)
