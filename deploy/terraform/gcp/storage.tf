# Two buckets, since BACKUP_URL may be neither inside of BLOB_URL nor around it, and since the backups lie elsewhere.
#
# No rule here may remove or archive an object that is live, whatever its age:
# - A blob is as old as its document, and is read for every restore and reindex.
# - A part of a backup is named by its bytes and stored once. Yesterday's backup names parts that were sent a year
#   ago (docs/decisions/0018-backups.md), and packs of points and sources are taken over from backup to backup
#   (0022, 0043). A rule such as "age 30: Delete" would remove live parts from backups that are kept.
# - What is 30 days old is removed by Aegis itself, which knows what is in use: BACKUP_KEEP_DAYS, and the task of
#   BACKUP_PRUNE_SCHEDULE (0021).
#
# What is removed or replaced becomes noncurrent, loses that version a day later, and is held by soft delete for
# `backup_days` from then on. On S3 versions do this alone; here the right to remove an object is also that to remove
# its old generations, so versions hold nobody who has stolen the workers' identity. Soft delete does: only who may
# change the bucket can end it.
#
# A retention policy (`backup_lock_days`) refuses removals and replacements outright. A prune then leaves what is younger,
# counts it as `locked`, and takes it the next time; a full backup reads what is there instead of sending it (0018).
# A bucket has either it or versions here, since nothing is replaced while it counts.

locals {
  buckets = {
    blobs   = { name = "${var.project}-${var.name}-blobs", location = var.region, days = var.blob_days, lock_days = 0 }
    backups = { name = "${var.project}-${var.name}-backups", location = var.backup_location, days = var.backup_days, lock_days = var.backup_lock_days }
  }
}

resource "google_storage_bucket" "this" {
  # checkov:skip=CKV_GCP_62:Logs of each access are Cloud Audit Logs, which the project has for all buckets or for none.

  for_each                    = local.buckets
  name                        = each.value.name
  location                    = each.value.location
  storage_class               = "STANDARD"
  force_destroy               = !var.deletion_protection
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  encryption {
    default_kms_key_name = google_kms_crypto_key.this[each.key].id
  }

  versioning {
    enabled = each.value.lock_days == 0
  }

  soft_delete_policy {
    retention_duration_seconds = each.value.days * 86400
  }

  dynamic "retention_policy" {
    for_each = each.value.lock_days > 0 ? [each.value.lock_days] : []

    content {
      retention_period = retention_policy.value * 86400
      is_locked        = false # a locked one can never be shortened, and keeps the bucket until all in it is older
    }
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }

    condition {
      days_since_noncurrent_time = 1
      with_state                 = "ARCHIVED" # noncurrent
    }
  }

  # An upload of a large blob that breaks off leaves parts that no listing shows (docs/reference/blobs.md).
  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }

    condition {
      age = 1
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.users]
}
