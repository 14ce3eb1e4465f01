"""fleet_state."""
