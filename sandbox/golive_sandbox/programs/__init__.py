"""Programs that run as containers of the sandbox's demo images; each is started as a file of its own."""
