pytest_plugins = ["golive_fixtures"]
