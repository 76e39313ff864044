mock_provider "aws" {
  source = "./tests/mocks"
}

run "minimum" {
  assert {
    condition     = length(distinct(aws_subnet.private[*].availability_zone)) == 3
    error_message = "The private subnets are not in three zones."
  }

  assert {
    condition     = length(distinct(concat(aws_subnet.private[*].cidr_block, aws_subnet.public[*].cidr_block))) == 6
    error_message = "Two subnets have the same addresses."
  }

  assert {
    condition     = alltrue([for each in aws_subnet.public : !each.map_public_ip_on_launch])
    error_message = "What is started in a public subnet gets a public address."
  }

  assert {
    condition     = alltrue([for each in values(aws_eks_node_group.this) : length(setsubtract(each.subnet_ids, aws_subnet.private[*].id)) == 0])
    error_message = "A node is outside of the private subnets."
  }

  assert {
    condition     = length(setsubtract(aws_eks_cluster.this.vpc_config[0].subnet_ids, aws_subnet.private[*].id)) == 0
    error_message = "The control plane has an interface outside of the private subnets."
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_route.nat) == 3
    error_message = "Each private subnet leaves by the one NAT gateway."
  }

  assert {
    condition     = aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway" && length(aws_vpc_endpoint.s3.route_table_ids) == 3
    error_message = "A private subnet does not reach S3 by the endpoint."
  }
}

run "recommended" {
  variables {
    size = "recommended"
  }

  assert {
    condition     = length(distinct(aws_route.nat[*].nat_gateway_id)) == 3
    error_message = "With the recommended sizes each zone has a NAT gateway of its own."
  }
}
