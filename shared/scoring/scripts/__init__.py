"""Entry scripts of Azure ML: `init()` and `run()`, called as azureml-inference-server-http calls them."""
