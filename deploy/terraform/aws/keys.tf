data "aws_caller_identity" "here" {}
data "aws_partition" "here" {}

locals {
  account   = data.aws_caller_identity.here.account_id
  partition = data.aws_partition.here.partition

  account_administers_keys = {
    Sid       = "AccountAdministers"
    Effect    = "Allow"
    Action    = "kms:*"
    Resource  = "*"
    Principal = { AWS = "arn:${local.partition}:iam::${local.account}:root" }
  }
}

# For Kubernetes' secrets and for logs.
resource "aws_kms_key" "cluster" {
  description             = "${var.name}: secrets of Kubernetes, logs"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [local.account_administers_keys, {
      Sid       = "LogsAreEncrypted"
      Effect    = "Allow"
      Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
      Resource  = "*"
      Principal = { Service = "logs.${var.region}.amazonaws.com" }
      Condition = {
        ArnLike = { "kms:EncryptionContext:aws:logs:arn" = "arn:${local.partition}:logs:${var.region}:${local.account}:log-group:*" }
      }
    }]
  })
}

resource "aws_kms_alias" "cluster" {
  name          = "alias/${var.name}-cluster"
  target_key_id = aws_kms_key.cluster.key_id
}

# For the buckets. Without this key no blob and no backup can be read again, so it is removed 30 days late.
resource "aws_kms_key" "buckets" {
  description             = "${var.name}: blobs and backups"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [local.account_administers_keys]
  })
}

resource "aws_kms_alias" "buckets" {
  name          = "alias/${var.name}-buckets"
  target_key_id = aws_kms_key.buckets.key_id
}
