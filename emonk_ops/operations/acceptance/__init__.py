"""Stage 4's day: what the ticks of a cutover service show, stretch by stretch and as a whole."""
