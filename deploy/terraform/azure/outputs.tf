# What deploy/k8s/overlays/azure needs; docs/deploy/azure.md says where each one goes.

output "cluster_name" {
  description = "For `az aks get-credentials --name`."
  value       = azurerm_kubernetes_cluster.this.name
}

output "resource_group" {
  description = "For `az aks get-credentials --resource-group`, and for Traefik's Service."
  value       = azurerm_resource_group.this.name
}

# These addresses name the account, so AZURE_STORAGE_ACCOUNT_NAME, which would be one for both, stays unset.
output "blob_url" {
  description = "BLOB_URL."
  value       = "abfss://blobs@${local.account_names.blobs}.dfs.core.windows.net/blobs"
}

output "backup_url" {
  description = "BACKUP_URL."
  value       = "abfss://backups@${local.account_names.backups}.dfs.core.windows.net/backups"
}

output "client_ids" {
  description = "Client ids of the service accounts aegis-api, aegis-worker, aegis-backup, and of cert-manager."
  value       = { for key, each in local.accounts_of_pods : each.account => azurerm_user_assigned_identity.pods[key].client_id }
}

output "tenant_id" {
  description = "The tenant of these identities."
  value       = data.azurerm_client_config.here.tenant_id
}

output "storage_class" {
  description = "The storage class of Qdrant, Ollama and Redis: AKS' own of premium SSDs."
  value       = "managed-csi-premium"
}

output "ingress_address_name" {
  description = "service.beta.kubernetes.io/azure-pip-name of Traefik's Service."
  value       = azurerm_public_ip.ingress.name
}

output "capacity" {
  description = "Cores, memory and GPU memory of all nodes at the start, but for AKS' own pool."
  value = {
    for figure in ["cores", "memory_gb", "gpu_gb"] :
    figure => sum([for each in values(module.sizes.groups) : each.nodes * local.hardware[local.machines[each.pool]][figure]])
  }
}
