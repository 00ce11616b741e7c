"""The sandbox's images: how they are made, the real registry that holds them, and the front that worlds see of it."""
