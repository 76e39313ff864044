# The Secret aegis-secrets comes from here by the external secrets operator. Terraform makes the place and who may read
# it; the values are put there by hand, so that no state has them.

resource "aws_secretsmanager_secret" "this" {
  # checkov:skip=CKV2_AWS_57:Values are changed by whoever gives them out; nothing could rotate a key of Jina's.

  name                    = "aegis-rag" # the key of deploy/k8s/components/external-secrets
  description             = "Secrets of Aegis RAG: a JSON object, see deploy/k8s/components/external-secrets/example.yaml"
  kms_key_id              = aws_kms_key.cluster.arn
  recovery_window_in_days = 30
}

resource "aws_iam_role_policy" "secrets" {
  name = "read"
  role = aws_iam_role.pods["secrets"].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
        Resource = [aws_secretsmanager_secret.this.arn]
      },
      {
        Effect    = "Allow"
        Action    = ["kms:Decrypt"]
        Resource  = [aws_kms_key.cluster.arn]
        Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${var.region}.amazonaws.com" } }
      },
    ]
  })
}
