"""Packages of GitHub Packages for codespaces: how each repository gets to read them, and what is left to click."""

import pulumi

import pulumi_codespaces as codespaces

token = pulumi.Config().require_secret("packagesToken")

packages = {
    # The repository that builds the package, a repository that asks for access in devcontainer.json, and another.
    "image": codespaces.PackageAccess(
        "image",
        {
            "package": "base/image",
            "repository": "images",
            "selected_repositories": ["images", "web", "api"],
            "teams": {"payments": "read"},
        },
    ),
    # Internal: every repository that is not public. `site` is.
    "icons": codespaces.PackageAccess(
        "icons",
        {
            "package": "icons",
            "package_type": codespaces.PackageType.NPM,
            "visibility": codespaces.PackageVisibility.INTERNAL,
            "repository": "images",
            "selected_repositories": ["api", "site"],
        },
    ),
    "cli": codespaces.PackageAccess(
        "cli",
        {
            "package": "cli",
            "package_type": codespaces.PackageType.NPM,
            "visibility": codespaces.PackageVisibility.PUBLIC,
            "inherits": False,
            "selected_repositories": ["api", "site"],
        },
    ),
}
for name, package in packages.items():
    pulumi.export(name, package.ways)
pulumi.export("clicks", {name: package.clicks for name, package in packages.items()})
pulumi.export("devcontainer", packages["image"].devcontainer)

# Instead of the clicks: a token of a machine user, where nothing else serves.
codespaces.RegistryLogin(
    "ghcr",
    {
        **codespaces.github_container_registry("acme-bot", token),
        "selected_repositories": packages["image"].by_hand,
    },
)
codespaces.OrganizationSecrets(
    "npm", {"secrets": {"PACKAGES_TOKEN": token}, "selected_repositories": packages["icons"].by_hand}
)
