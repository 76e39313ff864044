region          = "eu-central-1"
domain          = "aegis.example.com"
dns_zone        = "example.com"
admin_role_arns = ["arn:aws:iam::123456789012:role/operators"]
