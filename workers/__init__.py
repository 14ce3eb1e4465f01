"""What runs the tasks, room by room: ARCHITECTURE.md has the map."""
