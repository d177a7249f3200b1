runner.add_command(["echo", "generate report"], label="generate_report")
