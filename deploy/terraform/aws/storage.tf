# Two buckets, since BACKUP_URL may be neither inside of BLOB_URL nor around it, and their rights differ.
#
# No rule here may remove or archive an object that is the current version of its key, whatever its age:
# - A blob is as old as its document, and is read for every restore and reindex.
# - A part of a backup is named by its bytes and stored once. Yesterday's backup names parts that were sent a year
#   ago (docs/decisions/0018-backups.md), and packs of points and sources are taken over from backup to backup
#   (0022, 0043). A rule such as "expire after 30 days" would remove live parts from backups that are kept.
# - What is 30 days old is removed by Aegis itself, which knows what is in use: BACKUP_KEEP_DAYS, and the task of
#   BACKUP_PRUNE_SCHEDULE (0021). A removal hides an object; its noncurrent version is there for `backup_days` more,
#   and then the lifecycle rule gives its space back. So a backup can be brought back for 60 days in all, and a
#   document that somebody deleted is gone from the backups after at most that time.
# - Archive classes (Glacier) are out: the newest backup is read each night, and a restore has four hours.
#
# Object lock keeps versions, not keys: a prune goes through (0018), and whoever steals the workers' role can hide
# backups but not destroy them, since it lacks s3:DeleteObjectVersion. The lock, in mode GOVERNANCE, holds administrators too, unless
# they have s3:BypassGovernanceRetention. A part that stays in use outlives its lock; a full backup sends it anew, and locks
# the new version.

locals {
  buckets = merge(
    {
      blobs   = { name = "${var.name}-blobs-${local.account}", region = var.region, days = var.blob_days }
      backups = { name = "${var.name}-backups-${local.account}", region = var.region, days = var.backup_days }
    },
    {
      for key, region in local.copies :
      key => { name = "${var.name}-backups-copy-${local.account}", region = region, days = var.backup_days }
    },
  )

  locked = { for key, each in local.buckets : key => each if key != "blobs" }

  bucket_arns = { for key, each in local.buckets : key => "arn:${local.partition}:s3:::${each.name}" }
}

resource "aws_s3_bucket" "this" {
  # checkov:skip=CKV_AWS_18:Logs of each access are CloudTrail's data events, which the account has for all buckets or for none.
  # checkov:skip=CKV_AWS_144:Backups are copied with backup_copy_region; blobs are in the backups.
  # checkov:skip=CKV2_AWS_62:Nothing waits for events of a bucket: jobs say what is due.

  for_each            = local.buckets
  region              = each.value.region
  bucket              = each.value.name
  object_lock_enabled = each.key != "blobs"
  force_destroy       = !var.deletion_protection
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = local.buckets
  region   = each.value.region
  bucket   = aws_s3_bucket.this[each.key].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_object_lock_configuration" "this" {
  for_each = local.locked
  region   = each.value.region
  bucket   = aws_s3_bucket.this[each.key].id

  rule {
    default_retention {
      mode = "GOVERNANCE"
      days = var.backup_lock_days
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = local.buckets
  region   = each.value.region
  bucket   = aws_s3_bucket.this[each.key].id

  rule {
    id     = "noncurrent-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = each.value.days
    }

    expiration {
      expired_object_delete_marker = true
    }
  }

  # An upload of a large blob that breaks off leaves parts that no listing shows (docs/reference/blobs.md).
  rule {
    id     = "broken-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.buckets
  region   = each.value.region
  bucket   = aws_s3_bucket.this[each.key].id

  rule {
    bucket_key_enabled = true # else each request is one to KMS as well

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = each.key == "copy" ? aws_kms_key.copy["copy"].arn : aws_kms_key.buckets.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each                = local.buckets
  region                  = each.value.region
  bucket                  = aws_s3_bucket.this[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = local.buckets
  region   = each.value.region
  bucket   = aws_s3_bucket.this[each.key].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_policy" "this" {
  for_each = local.buckets
  region   = each.value.region
  bucket   = aws_s3_bucket.this[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "OnlyTls"
        Effect    = "Deny"
        Action    = "s3:*"
        Resource  = [local.bucket_arns[each.key], "${local.bucket_arns[each.key]}/*"]
        Principal = "*"
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "OnlyTls12"
        Effect    = "Deny"
        Action    = "s3:*"
        Resource  = [local.bucket_arns[each.key], "${local.bucket_arns[each.key]}/*"]
        Principal = "*"
        Condition = { NumericLessThan = { "s3:TlsVersion" = "1.2" } }
      },
    ]
  })

  depends_on = [aws_s3_bucket_public_access_block.this]
}
