from syncra.compat import concurra

def heavy(n):  # must be a top-level, picklable function
    total = 0
    for i in range(n):
        total += i * i
    return total

if __name__ == "__main__":          # required for spawn (macOS/Windows)
    runner = concurra.TaskRunner(max_concurrency=4, use_multiprocessing=True)
    runner.add_task(heavy, 10_000, label="job1")
    runner.add_task(heavy, 20_000, label="job2")

    results = runner.run()
    print(results["job1"]["execution_mode"])  # "process"
