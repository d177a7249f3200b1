runner = concurra.TaskRunner()
runner.add_task(func1, label="t1")
runner.add_task(func2, label="t2")

runner.execute_in_background()

# do other stuff here...

# No need to poll using is_running() method, just call get_background_results it will  
results = runner.get_background_results()
