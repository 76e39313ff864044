# What deploy/k8s/overlays/azure needs; docs/deploy/azure.md says where each one goes.

output "cluster_name" {
  description = "For `az aks get-credentials --name`."
  value       = azurerm_kubernetes_cluster.this.name
}

output "resource_group" {
  description = "For `az aks get-credentials --resource-group`, and for Traefik's Service."
  value       = azurerm_resource_group.this.name
}

locals {
  # They name the account, so AZURE_STORAGE_ACCOUNT_NAME, which would be one for both, stays unset.
  urls = { for key, name in local.account_names : key => "abfss://${key}@${name}.dfs.core.windows.net/${key}" }
}

output "blob_url" {
  description = "BLOB_URL."
  value       = local.urls.blobs
}

output "backup_url" {
  description = "BACKUP_URL."
  value       = local.urls.backups
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

output "kustomization" {
  description = "A kustomization.yaml of one's own over deploy/k8s/overlays/azure, with everything that Terraform knows."
  value = templatefile("${path.module}/kustomization.yaml.tftpl", {
    images         = var.images
    cors_origins   = var.cors_origins
    domain         = var.domain
    blob_url       = local.urls.blobs
    backup_url     = local.urls.backups
    vault_url      = azurerm_key_vault.this.vault_uri
    pod_cidr       = local.pod_cidr
    endpoints_cidr = azurerm_subnet.endpoints.address_prefixes[0]
    client_ids     = { for key, each in local.accounts_of_pods : each.account => azurerm_user_assigned_identity.pods[key].client_id if each.namespace == "aegis-rag" }
  })
}

output "key_vault" {
  description = "The key vault that the secret aegis-rag goes into."
  value       = azurerm_key_vault.this.name
}

# The callers' addresses stay what they are (Local), so rate limits are theirs. Nothing listens on port 80.
output "traefik_values" {
  description = "Values of Traefik's chart: its Service takes the address that the domain leads to."
  value = yamlencode({
    service = {
      annotations = {
        "service.beta.kubernetes.io/azure-load-balancer-resource-group" = azurerm_resource_group.this.name
        "service.beta.kubernetes.io/azure-pip-name"                     = azurerm_public_ip.ingress.name
      }
      spec = { externalTrafficPolicy = "Local" }
    }
    ports = { web = { expose = { default = false } } }
  })
}

output "cert_manager_values" {
  description = "Values of cert-manager's chart: its pods get their identity."
  value = yamlencode({
    crds           = { enabled = true }
    podLabels      = { "azure.workload.identity/use" = "true" }
    serviceAccount = { labels = { "azure.workload.identity/use" = "true" } }
  })
}

output "cluster_issuer" {
  description = "The ClusterIssuer that the Ingress names: Let's Encrypt, by a record in the zone."
  value = yamlencode({
    apiVersion = "cert-manager.io/v1"
    kind       = "ClusterIssuer"
    metadata   = { name = "letsencrypt-prod" }
    spec = {
      acme = {
        server              = "https://acme-v02.api.letsencrypt.org/directory"
        privateKeySecretRef = { name = "letsencrypt-prod" }
        solvers = [{
          dns01 = {
            azureDNS = {
              environment       = "AzurePublicCloud"
              hostedZoneName    = var.dns_zone
              resourceGroupName = var.dns_zone_group
              subscriptionID    = var.subscription_id
              managedIdentity   = { clientID = azurerm_user_assigned_identity.pods["certificates"].client_id }
            }
          }
        }]
      }
    }
  })
}
