"""What unit tests of several modules need."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# A busy machine must not fail a test; the number of examples bounds the time.
settings.register_profile("suite", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


@pytest.fixture
def no_github_credentials(monkeypatch):
    """Take away the credentials that the machine itself has for GitHub."""
    for name in ("GITHUB_TOKEN", "GITHUB_OWNER", "GITHUB_APP_ID", "GITHUB_APP_INSTALLATION_ID", "GITHUB_APP_PEM_FILE"):
        monkeypatch.delenv(name, raising=False)
