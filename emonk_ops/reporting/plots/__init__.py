"""Pictures of a rollout as SVG, drawn here: no library, no script, readable in light and dark."""
