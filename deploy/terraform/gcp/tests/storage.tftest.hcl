mock_provider "google" {
  source = "./tests/mocks"
}

run "buckets" {
  assert {
    condition     = toset(keys(google_storage_bucket.this)) == toset(["blobs", "backups"])
    error_message = "Blobs and backups have a bucket each."
  }

  assert {
    condition     = alltrue([for each in values(google_storage_bucket.this) : each.public_access_prevention == "enforced" && each.uniform_bucket_level_access])
    error_message = "A bucket can be made public."
  }

  assert {
    condition     = alltrue([for each in values(google_storage_bucket.this) : each.versioning[0].enabled && length(each.encryption) == 1])
    error_message = "A bucket lacks versions or encryption."
  }

  assert {
    condition     = google_storage_bucket.this["backups"].soft_delete_policy[0].retention_duration_seconds == 30 * 86400
    error_message = "Backups that were removed are not kept for 30 days."
  }

  assert {
    condition     = google_storage_bucket.this["backups"].location == "EU" && google_storage_bucket.this["blobs"].location == "europe-west4"
    error_message = "Backups are lost with the region of the blobs."
  }

  assert {
    condition     = google_kms_key_ring.this["backups"].location == "europe" && google_kms_key_ring.this["blobs"].location == "europe-west4"
    error_message = "A bucket's key is in another place than the bucket."
  }

  assert {
    condition = alltrue(flatten([
      for each in values(google_storage_bucket.this) : [
        for rule in each.lifecycle_rule :
        (one(rule.action).type == "Delete" && one(rule.condition).with_state == "ARCHIVED" && one(rule.condition).days_since_noncurrent_time == 1) ||
        (one(rule.action).type == "AbortIncompleteMultipartUpload" && one(rule.condition).age == 1)
      ]
    ]))
    error_message = "A lifecycle rule removes or archives live objects: parts of backups that are in use."
  }

  assert {
    condition     = output.blob_url == "gs://my-project-aegis-blobs/blobs" && output.backup_url == "gs://my-project-aegis-backups/backups"
    error_message = "The addresses are not those of the buckets."
  }
}

run "locked" {
  variables {
    backup_lock_days = 7
  }

  assert {
    condition     = google_storage_bucket.this["backups"].retention_policy[0].retention_period == 7 * 86400 && length(google_storage_bucket.this["blobs"].retention_policy) == 0
    error_message = "Backups are not locked, or blobs are, which documents are deleted from."
  }
}

run "backups_kept_too_short" {
  command = plan
  variables {
    backup_days = 7
  }
  expect_failures = [var.backup_days]
}

run "backups_beside_the_blobs" {
  command = plan
  variables {
    backup_location = "europe-west4"
  }
  expect_failures = [var.backup_location]
}
