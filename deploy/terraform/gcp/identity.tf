# Workload identity: a Kubernetes service account is itself a principal of Google's IAM, so there is no account of Google's
# in between, nothing is annotated, and no key lies anywhere. Pods ask the metadata server, 169.254.169.254 port 80
# (Dataplane V2), which their network policies allow.

locals {
  # The API lists backups and looks one up; the lane `backup` alone writes them.
  bucket_rights = {
    api-blobs      = { account = "aegis-api", bucket = "blobs", role = "write" }
    api-backups    = { account = "aegis-api", bucket = "backups", role = "read" }
    worker-blobs   = { account = "aegis-worker", bucket = "blobs", role = "write" }
    backup-blobs   = { account = "aegis-backup", bucket = "blobs", role = "write" }
    backup-backups = { account = "aegis-backup", bucket = "backups", role = "write" }
  }

  # Less than Google's own "Storage Object User", which may also change an object's holds and restore what is soft-deleted.
  permissions = {
    read = ["storage.objects.get", "storage.objects.list"]
    write = [
      "storage.objects.get", "storage.objects.list", "storage.objects.create", "storage.objects.delete",
      "storage.multipartUploads.create", "storage.multipartUploads.abort", "storage.multipartUploads.listParts",
    ]
  }

  subjects = "principal://iam.googleapis.com/projects/${data.google_project.this.number}/locations/global/workloadIdentityPools/${var.project}.svc.id.goog/subject/ns/aegis-rag/sa"
}

resource "google_project_iam_custom_role" "objects" {
  for_each    = local.permissions
  role_id     = "${replace(var.name, "-", "_")}_${each.key}"
  title       = "${var.name}: objects, ${each.key}"
  permissions = each.value
}

resource "google_storage_bucket_iam_member" "pods" {
  for_each = local.bucket_rights
  bucket   = google_storage_bucket.this[each.value.bucket].name
  role     = google_project_iam_custom_role.objects[each.value.role].id
  member   = "${local.subjects}/${each.value.account}"

  depends_on = [google_container_cluster.this] # it makes the pool of identities
}
