runner.add_task(some_function, arg1, arg2, label="task2", depends_on=["task1"], kwarg1=value1)
