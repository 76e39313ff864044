# Workload identity: a pod gets a token by its service account, and no key lies anywhere. The overlay writes each
# client id on its service account (azure.workload.identity/client-id), and the label azure.workload.identity/use on pods.

locals {
  accounts_of_pods = {
    api          = { namespace = "aegis-rag", account = "aegis-api" }
    worker       = { namespace = "aegis-rag", account = "aegis-worker" }
    backup       = { namespace = "aegis-rag", account = "aegis-backup" }
    secrets      = { namespace = "aegis-rag", account = "aegis-secrets-reader" }
    certificates = { namespace = "cert-manager", account = "cert-manager" }
  }

  # The API lists backups and looks one up; the lane `backup` alone writes them.
  container_rights = {
    api-blobs      = { pod = "api", account = "blobs", role = "write" }
    api-backups    = { pod = "api", account = "backups", role = "read" }
    worker-blobs   = { pod = "worker", account = "blobs", role = "write" }
    backup-blobs   = { pod = "backup", account = "blobs", role = "write" }
    backup-backups = { pod = "backup", account = "backups", role = "write" }
  }

  blobs = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"

  # Azure's own "Storage Blob Data Contributor" may remove the whole container. These may not, and what they remove
  # stays as a previous version: deleteBlobVersion is a right of its own.
  data_actions = {
    read  = ["${local.blobs}/read"]
    write = ["${local.blobs}/read", "${local.blobs}/write", "${local.blobs}/add/action", "${local.blobs}/delete"]
  }
}

resource "azurerm_user_assigned_identity" "pods" {
  for_each            = local.accounts_of_pods
  name                = "${var.name}-${each.key}"
  location            = var.location
  resource_group_name = azurerm_resource_group.this.name
}

resource "azurerm_federated_identity_credential" "pods" {
  for_each            = local.accounts_of_pods
  name                = each.value.account
  resource_group_name = azurerm_resource_group.this.name
  parent_id           = azurerm_user_assigned_identity.pods[each.key].id
  issuer              = azurerm_kubernetes_cluster.this.oidc_issuer_url
  subject             = "system:serviceaccount:${each.value.namespace}:${each.value.account}"
  audience            = ["api://AzureADTokenExchange"]
}

resource "azurerm_role_definition" "blobs" {
  for_each    = local.data_actions
  name        = "${var.name} blobs: ${each.key}"
  scope       = azurerm_resource_group.this.id
  description = "What pods of Aegis RAG may do with blobs."

  permissions {
    data_actions = each.value
  }
}

resource "azurerm_role_assignment" "blobs" {
  for_each           = local.container_rights
  scope              = azurerm_storage_container.this[each.value.account].id
  role_definition_id = azurerm_role_definition.blobs[each.value.role].role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.pods[each.value.pod].principal_id
  principal_type     = "ServicePrincipal"
}

# cert-manager proves the domain by a record in the zone.
resource "azurerm_role_assignment" "certificates" {
  scope                = data.azurerm_dns_zone.this.id
  role_definition_name = "DNS Zone Contributor"
  principal_id         = azurerm_user_assigned_identity.pods["certificates"].principal_id
  principal_type       = "ServicePrincipal"
}

# The Secret aegis-secrets comes from the secret aegis-rag of the key vault, by the external secrets operator, which reads
# that one alone. Its value is put there by hand, so that no state has it.
resource "azurerm_role_assignment" "secrets" {
  scope                = "${azurerm_key_vault.this.id}/secrets/aegis-rag"
  role_definition_name = "Key Vault Secrets User"
  principal_id         = azurerm_user_assigned_identity.pods["secrets"].principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "own_secrets" {
  scope                = azurerm_key_vault.this.id
  role_definition_name = "Key Vault Secrets Officer"
  principal_id         = data.azurerm_client_config.here.object_id
}
