from shared.migrate import run_env

run_env("shared", "docs_store", "meetings")
