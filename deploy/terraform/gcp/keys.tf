# A key each for Kubernetes' secrets and for the two places of buckets. What is encrypted with a key is lost with it,
# so a key that is destroyed can be restored for 30 days.

data "google_project" "this" {}
data "google_storage_project_service_account" "this" {}

locals {
  key_locations = { cluster = var.region, blobs = var.region, backups = lower(var.backup_location) }

  key_users = {
    cluster = "serviceAccount:service-${data.google_project.this.number}@container-engine-robot.iam.gserviceaccount.com"
    blobs   = "serviceAccount:${data.google_storage_project_service_account.this.email_address}"
    backups = "serviceAccount:${data.google_storage_project_service_account.this.email_address}"
  }

  # A multi-region of Cloud Storage has keys in the location of that name, but for the European Union.
  key_names = { eu = "europe" }
}

resource "google_kms_key_ring" "this" {
  for_each = local.key_locations
  name     = "${var.name}-${each.key}"
  location = lookup(local.key_names, each.value, each.value)

  depends_on = [google_project_service.used]
}

resource "google_kms_crypto_key" "this" {
  # checkov:skip=CKV_GCP_82:A destroyed key can be restored for 30 days, and its version is kept until then.

  for_each                   = local.key_locations
  name                       = each.key
  key_ring                   = google_kms_key_ring.this[each.key].id
  purpose                    = "ENCRYPT_DECRYPT"
  rotation_period            = "7776000s" # 90 days
  destroy_scheduled_duration = "2592000s"
}

resource "google_kms_crypto_key_iam_member" "users" {
  for_each      = local.key_users
  crypto_key_id = google_kms_crypto_key.this[each.key].id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = each.value
}
