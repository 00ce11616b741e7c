"""The real servers: built once from pinned Go modules, kept in a cache outside the repository."""
