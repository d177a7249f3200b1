runner.add_shell_command("cat logs/*.txt | grep ERROR", label="find_errors")
