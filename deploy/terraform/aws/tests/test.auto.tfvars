region          = "eu-central-1"
zones           = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
domain          = "aegis.example.com"
dns_zone        = "example.com"
admin_role_arns = ["arn:aws:iam::123456789012:role/operators"]
size            = "minimum"
images          = "ghcr.io/company/aegis-rag"
