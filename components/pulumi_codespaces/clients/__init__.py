"""Clients of GitHub, AWS and registries, for the plugin and for the tools; they import neither."""
