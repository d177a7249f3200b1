from syncra.compat import concurra
import time

def slow():
    time.sleep(0.6)
    return "Done"

runner = concurra.TaskRunner(timeout=0.1)
runner.add_task(slow, label="timeout_task")
results = runner.run(verify=False)

print(results["timeout_task"]["status"])  # "Terminated"
print(results["timeout_task"]["error"])   # "TimeoutError: Task exceeded timeout of 4 seconds"
