results = runner.run(verify=True, raise_exception=True, error_message="Pipeline failed")
