"""What can be broken, and which criterion and verdict must follow."""
