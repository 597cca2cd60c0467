"""Monitoring as it should be, compared with what there is, brought about, checked and tried."""
