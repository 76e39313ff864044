# EKS Pod Identity: a pod gets credentials by its service account, and no key lies anywhere. The service accounts
# are those of deploy/k8s; pods reach the agent at 169.254.170.23, port 80, which their network policies allow.

locals {
  pod_roles = {
    api           = { namespace = "aegis-rag", account = "aegis-api" }
    worker        = { namespace = "aegis-rag", account = "aegis-worker" }
    backup        = { namespace = "aegis-rag", account = "aegis-backup" }
    disks         = { namespace = "kube-system", account = "ebs-csi-controller-sa" }
    secrets       = { namespace = "external-secrets", account = "external-secrets" }
    load-balancer = { namespace = "kube-system", account = "aws-load-balancer-controller" }
  }

  list = ["s3:ListBucket", "s3:GetBucketLocation"]
  read = ["s3:GetObject"]
  # Without s3:DeleteObjectVersion: what is removed stays as a noncurrent version; see storage.tf.
  write = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]

  # The API lists backups and looks one up; the lane `backup` alone writes them.
  bucket_rights = {
    api    = { blobs = local.write, backups = local.read }
    worker = { blobs = local.write }
    backup = { blobs = local.write, backups = local.write }
  }
}

resource "aws_iam_role" "pods" {
  for_each = local.pod_roles
  name     = "${var.name}-${each.key}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Principal = { Service = "pods.eks.amazonaws.com" }
      Condition = {
        StringEquals = {
          "aws:SourceAccount"                         = local.account
          "aws:RequestTag/kubernetes-namespace"       = each.value.namespace
          "aws:RequestTag/kubernetes-service-account" = each.value.account
        }
        ArnEquals = {
          "aws:SourceArn" = "arn:${local.partition}:eks:${var.region}:${local.account}:cluster/${var.name}"
        }
      }
    }]
  })
}

# The add-on of the disks makes its own association.
resource "aws_eks_pod_identity_association" "this" {
  for_each        = { for key, each in local.pod_roles : key => each if key != "disks" }
  cluster_name    = aws_eks_cluster.this.name
  namespace       = each.value.namespace
  service_account = each.value.account
  role_arn        = aws_iam_role.pods[each.key].arn
}

resource "aws_iam_role_policy" "buckets" {
  for_each = local.bucket_rights
  name     = "buckets"
  role     = aws_iam_role.pods[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [for bucket, actions in each.value : {
        Effect   = "Allow"
        Action   = actions
        Resource = ["${local.bucket_arns[bucket]}/*"]
      }],
      [
        {
          Effect   = "Allow"
          Action   = local.list
          Resource = [for bucket in keys(each.value) : local.bucket_arns[bucket]]
        },
        {
          Effect    = "Allow"
          Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
          Resource  = [aws_kms_key.buckets.arn]
          Condition = { StringEquals = { "kms:ViaService" = "s3.${var.region}.amazonaws.com" } }
        },
      ],
    )
  })
}
