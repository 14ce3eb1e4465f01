"""Every knob, once."""
