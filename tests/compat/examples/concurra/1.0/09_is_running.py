if runner.is_running():
    print("Tasks are still running...")
else:
    print("All tasks are done!")
