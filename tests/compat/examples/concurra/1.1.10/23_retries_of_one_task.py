runner.add_task(call_partner_api, label="partner_api", task_retries=4)
