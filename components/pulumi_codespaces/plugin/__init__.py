"""The provider plugin: serves the custom resources, and the components for programs in other languages."""
