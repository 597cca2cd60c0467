"""What the stages are made of: reads give a Finding, changes a StepResult, both over the ports."""
