"""The provider plugin: serves the custom resources, and the components to programs in other languages."""
