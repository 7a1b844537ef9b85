// Command pulumi-resource-github is the GitHub plugin for Pulumi, built from Go modules for machines that cannot download the released one.
package main

import (
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"

	"pulumi-codespaces/rig/github/provider"
)

// The Python SDK carries its own types, so the schema that it would be generated from can stay empty.
func main() { tfbridge.Main("github", provider.Version, provider.Provider(), []byte("{}")) }
