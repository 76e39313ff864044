# What deploy/k8s/overlays/gcp needs; docs/deploy/gcp.md says where each one goes.

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
  value       = "gs://${local.buckets.blobs.name}/blobs"
}

output "backup_url" {
  description = "BACKUP_URL."
  value       = "gs://${local.buckets.backups.name}/backups"
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
