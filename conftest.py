"""The hands are opt-in: this is the whole wiring (shared/style.md, rule 2)."""

pytest_plugins = ["golive_fixtures"]
