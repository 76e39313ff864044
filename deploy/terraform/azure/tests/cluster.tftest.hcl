mock_provider "azurerm" {
  source = "./tests/mocks"
}

run "closed" {
  assert {
    condition     = azurerm_kubernetes_cluster.this.private_cluster_enabled && length(azurerm_kubernetes_cluster.this.api_server_access_profile) == 0
    error_message = "Without api_server_cidrs the API server is reached from outside."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.this.kubernetes_version == "1.35" && alltrue([for each in values(azurerm_kubernetes_cluster_node_pool.this) : each.orchestrator_version == "1.35"])
    error_message = "The control plane and the nodes do not have the version that is pinned."
  }

  assert {
    condition     = length(azurerm_kubernetes_cluster.this.key_management_service) == 1
    error_message = "Kubernetes' secrets are not encrypted with a key of our own."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.this.local_account_disabled && azurerm_kubernetes_cluster.this.azure_active_directory_role_based_access_control[0].azure_rbac_enabled
    error_message = "There is an account beside those of Entra ID."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.this.oidc_issuer_enabled && azurerm_kubernetes_cluster.this.workload_identity_enabled
    error_message = "Pods get no identity."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.this.network_profile[0].network_policy == "cilium"
    error_message = "Nobody enforces network policies."
  }

  assert {
    condition     = !azurerm_kubernetes_cluster.this.storage_profile[0].file_driver_enabled
    error_message = "Azure Files can be had for volumes."
  }

  assert {
    condition     = contains([for each in azurerm_monitor_diagnostic_setting.cluster.enabled_log : each.category], "kube-audit-admin")
    error_message = "Nobody writes down who changed the cluster."
  }

  assert {
    condition     = toset(keys(azurerm_management_lock.kept)) == toset(["cluster", "blobs", "backups"])
    error_message = "The cluster and the accounts are not protected from being destroyed."
  }
}

run "one_address" {
  variables {
    api_server_cidrs    = ["203.0.113.7/32"]
    deletion_protection = false
  }

  assert {
    condition     = azurerm_kubernetes_cluster.this.api_server_access_profile[0].authorized_ip_ranges == toset(["203.0.113.7/32", "198.51.100.7/32"])
    error_message = "Others than the address that is named and the nodes' own reach the API server."
  }

  assert {
    condition     = length(azurerm_management_lock.kept) == 0
    error_message = "Without deletion_protection there is still a lock."
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
    admin_group_ids = []
  }
  expect_failures = [var.admin_group_ids]
}

run "a_version_that_is_not_pinned" {
  command = plan
  variables {
    kubernetes_version = "latest"
  }
  expect_failures = [var.kubernetes_version]
}
