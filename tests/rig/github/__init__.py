"""A stand-in for GitHub's REST API on this machine, with state.

It has organizations, repositories, Codespaces secrets, teams, tokens and limits; it decrypts what is sealed, checks
every exchange against GitHub's OpenAPI description, and fails on order.

    seed = {
        "organizations": {
            "acme": {
                "plan": "team",  # "free" has no Codespaces secrets of the organization
                "members": {"ann": "admin", "bob": "member"},  # left out: whoever has a token owns the organization
                "custom_properties": [{"property_name": "team", "value_type": "string"}],
                "repositories": {
                    "web": {"id": 11, "topics": ["payments"], "properties": {"team": "pay"}, "files": {"a.md": "text"}},
                    "docs": {"private": False, "archived": True, "collaborators": {"bob": "push"}},
                },
                "secrets": {"OTHER_TOKEN": {"value": "v", "visibility": "selected", "repositories": ["web"]}},
                "teams": {"Platform": {"id": 7, "members": {"bob": "member"}, "repositories": {"web": "push"}}},
                "packages": [{"name": "acme/base", "package_type": "container", "repository": "web"}],
            }
        },
        "users": {"ann": {"secrets": {"MINE": {"value": "v", "repositories": ["acme/web"]}}}},
        "tokens": {
            "ghp_ann": {"kind": "classic", "login": "ann", "scopes": ["admin:org", "repo"]},
            "github_pat_bob": {
                "kind": "fine-grained",
                "login": "bob",
                "owner": "acme",
                "permissions": {"organization_codespaces_secrets": "write"},
                "repositories": ["web"],  # left out: all
            },
        },
        "apps": {
            "1234": {
                "public_key_pem": "...",  # or private_key_pem
                "installations": {
                    "77": {
                        "account": "acme",
                        "permissions": {"organization_codespaces_secrets": "write"},
                        "repository_selection": "selected",  # or all
                        "repositories": ["web"],
                    }
                },
            }
        },
    }
    with GitHubStandIn(seed) as github:
        ...  # talk to github.url
        assert github.organization("acme").secrets["OTHER_TOKEN"].value == "v"
"""

from .faults import Action, Fault, FaultRequest
from .front import Exchange
from .server import GitHubStandIn
from .state import Event, Organization, Repository, Secret, Team, User

__all__ = [
    "Action",
    "Event",
    "Exchange",
    "Fault",
    "FaultRequest",
    "GitHubStandIn",
    "Organization",
    "Repository",
    "Secret",
    "Team",
    "User",
]
