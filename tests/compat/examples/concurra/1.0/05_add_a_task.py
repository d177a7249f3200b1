runner.add_task(some_function, arg1, arg2, label="task1", kwarg1=value1)
