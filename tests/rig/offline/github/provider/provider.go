// Package provider describes the GitHub Terraform provider to the Pulumi bridge, so that its resources and functions
// have the names and properties of the Python SDK pulumi_github 6.15.0.
package provider

import (
	"strings"

	tfgithub "github.com/integrations/terraform-provider-github/v6/github"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/tokens"
	shimv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
)

// Version is what the plugin reports. The engine compares it with the version that the Python SDK asks for.
const Version = "6.15.0"

// token puts everything into the module "index", as pulumi_github does: github:index/team:Team, github:index/getTeam:getTeam.
func token(_, name string) (string, error) {
	return "github:index/" + strings.ToLower(name[:1]) + name[1:] + ":" + name, nil
}

func fromEnvironment(name string, value any) *tfbridge.SchemaInfo {
	return &tfbridge.SchemaInfo{Default: &tfbridge.DefaultInfo{EnvVars: []string{name}, Value: value}}
}

// Provider returns the description. Names follow the bridge's rules; what departs from them does so in pulumi-github too
// (https://github.com/pulumi/pulumi-github/blob/master/provider/resources.go).
func Provider() tfbridge.ProviderInfo {
	info := tfbridge.ProviderInfo{
		P:                       shimv2.NewProvider(tfgithub.NewProvider(Version, "none")()),
		Name:                    "github",
		Version:                 Version,
		GitHubOrg:               "integrations",
		TFProviderModuleVersion: "v6",
		Config: map[string]*tfbridge.SchemaInfo{
			"base_url": fromEnvironment("GITHUB_BASE_URL", "https://api.github.com/"),
			"token":    fromEnvironment("GITHUB_TOKEN", nil),
		},
		Resources: map[string]*tfbridge.ResourceInfo{
			"github_actions_environment_secret": {DeleteBeforeReplace: true},
			"github_repository_collaborator":    {DeleteBeforeReplace: true},
		},
		DataSources: map[string]*tfbridge.DataSourceInfo{
			"github_app": {Tok: "github:index/getGithubApp:getGithubApp"},
		},
	}
	info.MustComputeTokens(tokens.SingleModule("github_", "index", token))
	info.SetAutonaming(255, "-")
	return info
}
