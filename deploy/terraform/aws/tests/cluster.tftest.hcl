mock_provider "aws" {
  source = "./tests/mocks"
}

run "closed" {
  assert {
    condition     = aws_eks_cluster.this.vpc_config[0].endpoint_private_access && !aws_eks_cluster.this.vpc_config[0].endpoint_public_access
    error_message = "Without api_server_cidrs the API server is reached from outside."
  }

  assert {
    condition     = aws_eks_cluster.this.version == "1.35" && alltrue([for each in values(aws_eks_node_group.this) : each.version == "1.35"])
    error_message = "The control plane and the nodes do not have the version that is pinned."
  }

  assert {
    condition     = aws_eks_cluster.this.encryption_config[0].resources == toset(["secrets"])
    error_message = "Kubernetes' secrets are not encrypted with a key of our own."
  }

  assert {
    condition     = length(aws_eks_cluster.this.enabled_cluster_log_types) == 5
    error_message = "A part of the control plane does not write a log."
  }

  assert {
    condition     = aws_eks_cluster.this.deletion_protection && !aws_s3_bucket.this["backups"].force_destroy && !aws_s3_bucket.this["blobs"].force_destroy
    error_message = "The cluster and the buckets are not protected from being destroyed."
  }

  assert {
    condition     = !aws_eks_cluster.this.access_config[0].bootstrap_cluster_creator_admin_permissions
    error_message = "Whoever runs Terraform is an administrator unseen."
  }

  assert {
    condition     = jsondecode(aws_eks_addon.before_nodes["vpc-cni"].configuration_values).enableNetworkPolicy == "true"
    error_message = "Nobody enforces network policies."
  }
}

run "one_address" {
  variables {
    api_server_cidrs    = ["203.0.113.7/32"]
    deletion_protection = false
  }

  assert {
    condition     = aws_eks_cluster.this.vpc_config[0].public_access_cidrs == toset(["203.0.113.7/32"])
    error_message = "Other addresses than those named reach the API server."
  }

  assert {
    condition     = !aws_eks_cluster.this.deletion_protection && aws_s3_bucket.this["blobs"].force_destroy
    error_message = "Without deletion_protection there is still some."
  }
}

run "the_whole_internet" {
  command = plan
  variables {
    api_server_cidrs = ["0.0.0.0/0"]
  }
  expect_failures = [var.api_server_cidrs]
}

run "no_administrator" {
  command = plan
  variables {
    admin_role_arns = []
  }
  expect_failures = [var.admin_role_arns]
}

run "a_version_that_is_not_pinned" {
  command = plan
  variables {
    kubernetes_version = "latest"
  }
  expect_failures = [var.kubernetes_version]
}
