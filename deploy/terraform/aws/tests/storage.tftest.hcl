mock_provider "aws" {
  source = "./tests/mocks"
}

run "buckets" {
  assert {
    condition     = toset(keys(aws_s3_bucket.this)) == toset(["blobs", "backups"])
    error_message = "Blobs and backups have a bucket each."
  }

  assert {
    condition = alltrue([
      for each in values(aws_s3_bucket_public_access_block.this) :
      each.block_public_acls && each.block_public_policy && each.ignore_public_acls && each.restrict_public_buckets
    ]) && length(aws_s3_bucket_public_access_block.this) == length(aws_s3_bucket.this)
    error_message = "A bucket can be made public."
  }

  assert {
    condition = alltrue([
      for key in keys(aws_s3_bucket.this) :
      aws_s3_bucket_versioning.this[key].versioning_configuration[0].status == "Enabled" &&
      one(one(aws_s3_bucket_server_side_encryption_configuration.this[key].rule).apply_server_side_encryption_by_default).sse_algorithm == "aws:kms"
    ])
    error_message = "A bucket lacks versions or encryption."
  }

  assert {
    condition = alltrue([
      for each in values(aws_s3_bucket_policy.this) :
      anytrue([for rule in jsondecode(each.policy).Statement : rule.Effect == "Deny" && try(rule.Condition.Bool["aws:SecureTransport"], "") == "false"]) &&
      alltrue([for rule in jsondecode(each.policy).Statement : rule.Effect == "Deny"])
    ])
    error_message = "A bucket's policy lets requests without TLS in, or grants something."
  }

  assert {
    condition     = aws_s3_bucket.this["backups"].object_lock_enabled && aws_s3_bucket_object_lock_configuration.this["backups"].rule[0].default_retention[0].days == 30
    error_message = "Backups are not locked for 30 days."
  }

  assert {
    condition = alltrue(flatten([
      for each in values(aws_s3_bucket_lifecycle_configuration.this) : [
        for rule in each.rule : alltrue(concat(
          [length(rule.transition) == 0],
          [for expiration in rule.expiration : expiration.expired_object_delete_marker],
        ))
      ]
    ]))
    error_message = "A lifecycle rule removes or archives current objects: parts of backups that are in use."
  }

  assert {
    condition     = anytrue([for rule in aws_s3_bucket_lifecycle_configuration.this["backups"].rule : anytrue([for each in rule.noncurrent_version_expiration : each.noncurrent_days == 30])])
    error_message = "Backups that were removed are not kept for 30 days."
  }

  assert {
    condition = alltrue([
      for each in values(aws_s3_bucket_lifecycle_configuration.this) :
      anytrue([for rule in each.rule : anytrue([for abort in rule.abort_incomplete_multipart_upload : abort.days_after_initiation == 1])])
    ])
    error_message = "Parts of broken uploads stay for ever."
  }

  assert {
    condition     = output.blob_url == "s3://aegis-blobs-123456789012/blobs" && output.backup_url == "s3://aegis-backups-123456789012/backups"
    error_message = "The addresses are not those of the buckets."
  }
}

run "a_second_copy" {
  variables {
    backup_copy_region = "eu-west-1"
  }

  assert {
    condition     = aws_s3_bucket.this["copy"].region == "eu-west-1" && aws_s3_bucket.this["copy"].object_lock_enabled
    error_message = "The copy is not in the other region, or not locked."
  }

  assert {
    condition     = one(aws_s3_bucket_replication_configuration.backups["copy"].rule[0].destination).bucket == "arn:aws:s3:::aegis-backups-copy-123456789012"
    error_message = "The copies go elsewhere."
  }

  assert {
    condition     = aws_s3_bucket_public_access_block.this["copy"].restrict_public_buckets && aws_s3_bucket_public_access_block.this["copy"].region == "eu-west-1"
    error_message = "The copy can be made public."
  }
}

run "backups_kept_too_short" {
  command = plan
  variables {
    backup_days      = 7
    backup_lock_days = 7
  }
  expect_failures = [var.backup_days]
}

run "a_lock_longer_than_the_versions" {
  command = plan
  variables {
    backup_lock_days = 31
  }
  expect_failures = [var.backup_lock_days]
}
