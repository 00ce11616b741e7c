"""A world: a namespace with a release in it, its users, and the files that a release driver would have."""
