"""The inputs and the state of each resource, and how they are parsed from properties and written to them."""
