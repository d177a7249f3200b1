from syncra.compat import concurra
import time

def slow():
    time.sleep(0.6)
    return "Done"

runner = concurra.TaskRunner(timeout=0.1)
runner.add_task(slow, label="timeout_task")
results = runner.run()
print(results["timeout_task"]["status"])  # Terminated
