mock_data "aws_caller_identity" {
  defaults = { account_id = "123456789012" }
}

mock_data "aws_partition" {
  defaults = { partition = "aws" }
}

mock_resource "aws_acm_certificate" {
  defaults = {
    domain_validation_options = [{
      domain_name           = "aegis.example.com"
      resource_record_name  = "_x.aegis.example.com"
      resource_record_type  = "CNAME"
      resource_record_value = "_y.acm-validations.aws"
    }]
  }
}

mock_resource "aws_eks_cluster" {
  defaults = {
    vpc_config = {
      cluster_security_group_id = "sg-0123"
    }
  }
}
