results = runner.run(
    verify=True,
    raise_exception=False,
    error_message="Custom failure message"
)
