"""Service Usage v1: which APIs are enabled in a project."""
