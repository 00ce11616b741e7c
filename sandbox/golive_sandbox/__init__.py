"""A small, real world to go live in, on this machine."""
