# The Secret aegis-secrets comes from here by the external secrets operator. Terraform makes the place and who may read
# it; the values are put there by hand, so that no state has them.

resource "google_secret_manager_secret" "this" {
  secret_id = "aegis-rag" # the key of deploy/k8s/components/external-secrets

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }

  depends_on = [google_project_service.used]
}

resource "google_secret_manager_secret_iam_member" "reader" {
  secret_id = google_secret_manager_secret.this.id
  role      = "roles/secretmanager.secretAccessor"
  member    = "${local.subjects}/aegis-secrets-reader"

  depends_on = [google_container_cluster.this] # it makes the pool of identities
}
