from syncra.compat import concurra
import time

def long_task():
    time.sleep(0.6)

runner = concurra.TaskRunner()
runner.add_task(long_task, label="job")
runner.execute_in_background()

time.sleep(0.3)
results = runner.abort()
print(results["job"]["status"])  # "Terminated"
