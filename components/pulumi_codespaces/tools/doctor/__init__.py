"""`codespaces doctor`: compares what states, GitHub and AWS say about the registry access of some stacks.

Every finding says what the problem is, why it matters, and what to type.
"""
