"""A stand-in for Pulumi's AWS plugin, for machines on which the real one cannot be had.

It serves the engine over gRPC and speaks to AWS, or to whatever the provider's `endpoints` name, for the resources
and functions that the components and the examples use. It behaves as pulumi-resource-aws does: the same
tokens and properties, calls in the same order, the same replacements and the same traps. It refuses
anything else by name.

The sources of its behaviour, beyond the AWS API references, are public: the resource code of terraform-provider-aws 6
(https://github.com/hashicorp/terraform-provider-aws/tree/v6.34.0/internal/service), the settings that pulumi-aws lays
over it (https://github.com/pulumi/pulumi-aws/tree/master/provider), and the bridge between the two
(https://github.com/pulumi/pulumi-terraform-bridge/tree/v3.137.0/pkg/tfbridge).

Only the protocol of the `pulumi` package and botocore are used, both loaded as late as can be: the plugin starts with
every preview.
"""

VERSION = "7.51.1"
"""The release of the real plugin that this one stands in for; reported to the engine."""

ABOUT = f"""\
A stand-in for pulumi-resource-aws {VERSION}, part of the test rig of pulumi-codespaces. It is NOT Pulumi's AWS
provider: it knows the IAM and ECR resources that this project uses and nothing else."""
