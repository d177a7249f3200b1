runner = concurra.TaskRunner(use_multiprocessing=True)  # CPU-bound
