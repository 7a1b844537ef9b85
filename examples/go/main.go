// Codespaces of the repositories with a topic pull from Amazon ECR, and log in to a registry of Azure.
package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"

	"pulumi-codespaces/sdk/go/codespaces"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		settings := config.New(ctx, "")
		github, err := codespaces.NewProvider(ctx, "github", &codespaces.ProviderArgs{
			Owner: pulumi.String(settings.Require("organization")),
		})
		if err != nil {
			return err
		}
		payments, err := codespaces.NewRepositorySelection(ctx, "payments", &codespaces.RepositorySelectionArgs{
			Topics: pulumi.StringArray{pulumi.String("payments")},
		}, pulumi.Provider(github))
		if err != nil {
			return err
		}
		pull, err := codespaces.NewEcrPullAccess(ctx, "payments", &codespaces.EcrPullAccessArgs{
			EcrRepositories:      []pulumi.StringInput{pulumi.String("payments/api")},
			SelectedRepositories: payments.Repositories,
			KeyGeneration:        pulumi.IntRef(settings.RequireInt("keyGeneration")),
		}, pulumi.Provider(github))
		if err != nil {
			return err
		}
		azure, err := codespaces.NewRegistryLogin(ctx, "azure", &codespaces.RegistryLoginArgs{
			Server:               pulumi.String("acme.azurecr.io"),
			User:                 pulumi.String("codespaces-pull"),
			Password:             settings.RequireSecret("azurePassword"),
			SelectedRepositories: payments.Repositories,
		}, pulumi.Provider(github))
		if err != nil {
			return err
		}
		ctx.Export("ecr", pull.Summary)
		ctx.Export("acr", azure.Summary)
		return nil
	})
}
