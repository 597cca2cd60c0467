"""What is wrong with a service at night: measured, named by its evidence, and healed if safe."""
