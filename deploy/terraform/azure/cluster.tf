data "azurerm_client_config" "here" {}

locals {
  pod_cidr = "10.244.0.0/16"
}

resource "azurerm_user_assigned_identity" "cluster" {
  name                = "${var.name}-cluster"
  location            = var.location
  resource_group_name = azurerm_resource_group.this.name
}

# For the load balancer's address, which lies in this group, and for the subnet of the nodes.
resource "azurerm_role_assignment" "cluster_network" {
  scope                = azurerm_resource_group.this.id
  role_definition_name = "Network Contributor"
  principal_id         = azurerm_user_assigned_identity.cluster.principal_id
}

resource "azurerm_kubernetes_cluster" "this" {
  # checkov:skip=CKV_AZURE_117:Disks are encrypted by their host with Azure's keys.

  name                      = var.name
  location                  = var.location
  resource_group_name       = azurerm_resource_group.this.name
  node_resource_group       = "${var.name}-nodes"
  dns_prefix                = var.name
  kubernetes_version        = var.kubernetes_version
  sku_tier                  = "Standard" # the free one promises nothing
  automatic_upgrade_channel = "patch"
  node_os_upgrade_channel   = "NodeImage"

  private_cluster_enabled           = length(var.api_server_cidrs) == 0
  local_account_disabled            = true
  role_based_access_control_enabled = true
  azure_policy_enabled              = true
  oidc_issuer_enabled               = true
  workload_identity_enabled         = true
  run_command_enabled               = false
  image_cleaner_enabled             = true
  image_cleaner_interval_hours      = 48

  # Only what AKS needs for itself runs here; everything else has pools of its own.
  default_node_pool {
    name                         = "system"
    vm_size                      = "Standard_D2ads_v5"
    os_disk_type                 = "Ephemeral"
    node_count                   = var.size == "recommended" ? 3 : 2
    zones                        = ["1", "2", "3"]
    vnet_subnet_id               = azurerm_subnet.nodes.id
    max_pods                     = 60
    os_disk_size_gb              = 64
    only_critical_addons_enabled = true
    host_encryption_enabled      = true
    orchestrator_version         = var.kubernetes_version
    temporary_name_for_rotation  = "systemnew"

    upgrade_settings {
      max_surge = "1"
    }
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.cluster.id]
  }

  azure_active_directory_role_based_access_control {
    azure_rbac_enabled     = true
    admin_group_object_ids = var.admin_group_ids
  }

  dynamic "api_server_access_profile" {
    for_each = length(var.api_server_cidrs) > 0 ? [1] : []

    content {
      authorized_ip_ranges = concat(var.api_server_cidrs, ["${azurerm_public_ip.nat.ip_address}/32"])
    }
  }

  # Cilium enforces the network policies of deploy/k8s.
  network_profile {
    network_plugin      = "azure"
    network_plugin_mode = "overlay"
    network_data_plane  = "cilium"
    network_policy      = "cilium"
    outbound_type       = "userAssignedNATGateway"
    pod_cidr            = local.pod_cidr
    service_cidr        = "10.245.0.0/16"
    dns_service_ip      = "10.245.0.10"
  }

  # Disks alone: Azure Files holds neither Qdrant's storage nor Redis' log, and nothing else asks for shared files.
  storage_profile {
    disk_driver_enabled         = true
    file_driver_enabled         = false
    blob_driver_enabled         = false
    snapshot_controller_enabled = true
  }

  key_management_service {
    key_vault_key_id         = azurerm_key_vault_key.secrets.id
    key_vault_network_access = "Public"
  }

  key_vault_secrets_provider {
    secret_rotation_enabled = true
  }

  oms_agent {
    log_analytics_workspace_id      = azurerm_log_analytics_workspace.this.id
    msi_auth_for_monitoring_enabled = true
  }

  maintenance_window_auto_upgrade {
    frequency   = "Weekly"
    interval    = 1
    day_of_week = "Sunday"
    start_time  = "02:00"
    utc_offset  = "+00:00"
    duration    = 4
  }

  maintenance_window_node_os {
    frequency   = "Weekly"
    interval    = 1
    day_of_week = "Sunday"
    start_time  = "06:00"
    utc_offset  = "+00:00"
    duration    = 4
  }

  depends_on = [
    azurerm_role_assignment.cluster_network,
    azurerm_role_assignment.cluster_key,
    azurerm_subnet_nat_gateway_association.nodes,
  ]
}

resource "azurerm_log_analytics_workspace" "this" {
  name                         = var.name
  location                     = var.location
  resource_group_name          = azurerm_resource_group.this.name
  sku                          = "PerGB2018"
  retention_in_days            = var.log_days
  local_authentication_enabled = false
}

resource "azurerm_monitor_diagnostic_setting" "cluster" {
  name                       = "control-plane"
  target_resource_id         = azurerm_kubernetes_cluster.this.id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.this.id

  dynamic "enabled_log" {
    for_each = toset([
      "kube-apiserver", "kube-audit-admin", "kube-controller-manager", "kube-scheduler", "cluster-autoscaler", "guard",
    ])

    content {
      category = enabled_log.value
    }
  }
}

# The key that Kubernetes' secrets are encrypted with. AKS reaches a vault on its public address alone, unless the
# API server lies in the network; so it is not behind a firewall, and rights come from Entra ID.
resource "azurerm_key_vault" "this" {
  # checkov:skip=CKV_AZURE_109:AKS could not reach it; see above.
  # checkov:skip=CKV_AZURE_189:AKS could not reach it; see above.
  # checkov:skip=CKV2_AZURE_32:AKS could not use it; see above.

  name                          = "${var.name}-${var.storage_suffix}"
  location                      = var.location
  resource_group_name           = azurerm_resource_group.this.name
  tenant_id                     = data.azurerm_client_config.here.tenant_id
  sku_name                      = "standard"
  rbac_authorization_enabled    = true
  purge_protection_enabled      = true
  soft_delete_retention_days    = 90
  public_network_access_enabled = true
}

resource "azurerm_role_assignment" "own_keys" {
  scope                = azurerm_key_vault.this.id
  role_definition_name = "Key Vault Crypto Officer"
  principal_id         = data.azurerm_client_config.here.object_id
}

resource "azurerm_key_vault_key" "secrets" {
  # checkov:skip=CKV_AZURE_40:With a key that has expired the API server can read no secret and does not start.
  # checkov:skip=CKV_AZURE_112:A key in an HSM needs the premium vault, at several times the price.

  name         = "kubernetes-secrets"
  key_vault_id = azurerm_key_vault.this.id
  key_type     = "RSA"
  key_size     = 3072
  key_opts     = ["decrypt", "encrypt"]

  depends_on = [azurerm_role_assignment.own_keys]
}

resource "azurerm_role_assignment" "cluster_key" {
  scope                = azurerm_key_vault.this.id
  role_definition_name = "Key Vault Crypto User"
  principal_id         = azurerm_user_assigned_identity.cluster.principal_id
}

resource "azurerm_management_lock" "kept" {
  for_each = var.deletion_protection ? merge(
    { cluster = azurerm_kubernetes_cluster.this.id },
    { for key, each in azurerm_storage_account.this : key => each.id },
  ) : {}

  name       = "kept"
  scope      = each.value
  lock_level = "CanNotDelete"
  notes      = "Holds data. Set deletion_protection = false first."
}
