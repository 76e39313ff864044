# With `backup_copy_region` every object of a backup is copied into a bucket of another region, which what destroys
# the first one does not reach. Removals are copied as removals: both buckets keep what they hide for `backup_days`.
# A manifest may arrive minutes before its last parts: a restore from the copy reads all parts before it changes
# anything, and `aegis restore latest --at` takes an earlier backup.

locals {
  copies = var.backup_copy_region == null ? {} : { copy = var.backup_copy_region }
}

resource "aws_kms_key" "copy" {
  for_each                = local.copies
  region                  = each.value
  description             = "${var.name}: the second copy of the backups"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [local.account_administers_keys]
  })
}

resource "aws_s3_bucket_replication_configuration" "backups" {
  for_each = local.copies
  bucket   = aws_s3_bucket.this["backups"].id
  role     = aws_iam_role.replication[each.key].arn

  rule {
    id       = "everything"
    status   = "Enabled"
    priority = 0

    filter {}

    delete_marker_replication {
      status = "Enabled"
    }

    source_selection_criteria {
      sse_kms_encrypted_objects {
        status = "Enabled"
      }
    }

    destination {
      bucket        = local.bucket_arns["copy"]
      storage_class = "STANDARD_IA"

      encryption_configuration {
        replica_kms_key_id = aws_kms_key.copy[each.key].arn
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_iam_role" "replication" {
  for_each = local.copies
  name     = "${var.name}-replication"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "s3.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy" "replication" {
  for_each = local.copies
  name     = "replicate"
  role     = aws_iam_role.replication[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["s3:GetReplicationConfiguration", "s3:ListBucket"]
        Resource = [local.bucket_arns["backups"]]
      },
      {
        Effect = "Allow"
        Action = [
          "s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging",
          "s3:GetObjectRetention", "s3:GetObjectLegalHold",
        ]
        Resource = ["${local.bucket_arns["backups"]}/*"]
      },
      {
        Effect   = "Allow"
        Action   = ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"]
        Resource = ["${local.bucket_arns["copy"]}/*"]
      },
      {
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = [aws_kms_key.buckets.arn]
      },
      {
        Effect   = "Allow"
        Action   = ["kms:Encrypt"]
        Resource = [aws_kms_key.copy[each.key].arn]
      },
    ]
  })
}
