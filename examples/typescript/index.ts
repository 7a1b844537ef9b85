import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import * as codespaces from "pulumi-codespaces";

const config = new pulumi.Config();
const production = new aws.Provider("production", { region: config.require("region") as aws.Region });
const github = new codespaces.Provider("github", { owner: config.require("organization") });

// A repository of this program, by its name; and one that exists.
const worker = new aws.ecr.Repository("worker", { name: "payments/worker" }, { provider: production });

const payments = new codespaces.RepositorySelection("payments", { topics: ["payments"] }, { provider: github });

const pull = new codespaces.EcrPullAccess("payments", {
    ecrRepositories: ["payments/api", worker.name],
    selectedRepositories: payments.repositories,
    keyGeneration: config.requireNumber("keyGeneration"),
}, {
    // Not both in `providers`: the SDK of Pulumi for Node would warn about a conflict.
    provider: github,
    providers: [production],
});

const azure = new codespaces.RegistryLogin("azure", {
    server: "acme.azurecr.io",
    user: "codespaces-pull",
    password: config.requireSecret("azurePassword"),
    selectedRepositories: payments.repositories,
}, { provider: github });

export const ecr = pull.summary;
export const acr = azure.summary;
