runner.add_shell_command("cat logs/*.txt | grep ERROR > errors.txt", label="filter_errors")
