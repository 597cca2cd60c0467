"""What the records and the kept evidence tell: runs, soaks, faults, ticks, leases. No picture."""
