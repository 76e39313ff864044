mock_provider "aws" {
  override_data {
    target = data.aws_availability_zones.here
    values = { names = ["eu-central-1a", "eu-central-1b", "eu-central-1c", "eu-central-1d"] }
  }
  override_data {
    target = data.aws_caller_identity.here
    values = { account_id = "123456789012" }
  }
  override_data {
    target = data.aws_partition.here
    values = { partition = "aws" }
  }
}
variables {
  region          = "eu-central-1"
  domain          = "aegis.example.com"
  dns_zone        = "example.com"
  admin_role_arns = ["arn:aws:iam::123456789012:role/operators"]
}
run "x" { command = plan }
