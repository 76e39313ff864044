# What deploy/k8s/overlays/gcp needs; docs/deploy/gcp.md says where each one goes.

locals {
  urls = { for key, each in local.buckets : key => "gs://${each.name}/${key}" }
}

output "cluster_name" {
  description = "For `gcloud container clusters get-credentials`."
  value       = google_container_cluster.this.name
}

output "region" {
  description = "For `gcloud container clusters get-credentials --region`."
  value       = var.region
}

output "blob_url" {
  description = "BLOB_URL."
  value       = local.urls.blobs
}

output "backup_url" {
  description = "BACKUP_URL."
  value       = local.urls.backups
}

output "identities" {
  description = "The principals of the service accounts aegis-api, aegis-worker and aegis-backup. Nothing is annotated."
  value       = { for account in ["aegis-api", "aegis-worker", "aegis-backup"] : account => "${local.subjects}/${account}" }
}

output "storage_class" {
  description = "The storage class of Qdrant, Ollama and Redis: GKE's own of pd-ssd."
  value       = "premium-rwo"
}

output "ingress_address_name" {
  description = "The NamedAddress of the Gateway."
  value       = google_compute_global_address.ingress.name
}

output "certificate_map" {
  description = "networking.gke.io/certmap of the Gateway."
  value       = google_certificate_manager_certificate_map.this.name
}

output "ssl_policy" {
  description = "sslPolicy of the GCPGatewayPolicy."
  value       = google_compute_ssl_policy.this.name
}

output "capacity" {
  description = "Cores, memory and GPU memory of all nodes at the start."
  value = {
    for figure in ["cores", "memory_gb", "gpu_gb"] :
    figure => sum([for each in values(module.sizes.groups) : each.nodes * local.hardware[local.machines[each.pool]][figure]])
  }
}

output "kustomization" {
  description = "A kustomization.yaml of one's own over deploy/k8s/overlays/gcp, with everything that Terraform knows."
  value = templatefile("${path.module}/kustomization.yaml.tftpl", {
    images          = var.images
    cors_origins    = var.cors_origins
    domain          = var.domain
    project         = var.project
    region          = var.region
    cluster         = google_container_cluster.this.name
    blob_url        = local.urls.blobs
    backup_url      = local.urls.backups
    address         = google_compute_global_address.ingress.name
    certificate_map = google_certificate_manager_certificate_map.this.name
    ssl_policy      = google_compute_ssl_policy.this.name
  })
}
