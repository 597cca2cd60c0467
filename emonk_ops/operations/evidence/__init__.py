"""What verdicts were reached by, kept compactly, so that they can be reached again offline."""
