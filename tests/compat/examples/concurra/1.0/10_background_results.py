results = runner.get_background_results(
    verify=True,
    raise_exception=False,
    error_message="Something went wrong"
)
