# Kubernetes makes the load balancer: the AWS Load Balancer Controller makes an ALB of the Ingress in
# deploy/k8s/overlays/aws, whose targets are the pods themselves, so that they change with each rollout.
# Terraform makes what it needs: subnets with their tags (network.tf), the certificate, the controller's role, and,
# in a second run with `load_balancer_made`, the name in DNS.

data "aws_route53_zone" "this" {
  name         = var.dns_zone
  private_zone = false
}

resource "aws_acm_certificate" "this" {
  domain_name       = var.domain
  validation_method = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "certificate" {
  zone_id = data.aws_route53_zone.this.zone_id
  name    = one(aws_acm_certificate.this.domain_validation_options).resource_record_name
  type    = one(aws_acm_certificate.this.domain_validation_options).resource_record_type
  records = [one(aws_acm_certificate.this.domain_validation_options).resource_record_value]
  ttl     = 300
}

resource "aws_acm_certificate_validation" "this" {
  certificate_arn         = aws_acm_certificate.this.arn
  validation_record_fqdns = [aws_route53_record.certificate.fqdn]
}

data "aws_lb" "kubernetes" {
  count = var.load_balancer_made ? 1 : 0

  tags = {
    "elbv2.k8s.aws/cluster"    = aws_eks_cluster.this.name
    "ingress.k8s.aws/stack"    = "aegis-rag/aegis"
    "ingress.k8s.aws/resource" = "LoadBalancer"
  }
}

resource "aws_route53_record" "api" {
  count   = length(data.aws_lb.kubernetes)
  zone_id = data.aws_route53_zone.this.zone_id
  name    = var.domain
  type    = "A"

  alias {
    name                   = data.aws_lb.kubernetes[0].dns_name
    zone_id                = data.aws_lb.kubernetes[0].zone_id
    evaluate_target_health = true
  }
}

# The controller may look at everything that is needed, make what carries the cluster's tag, and change nothing else.
resource "aws_iam_role_policy" "load_balancer" {
  name = "load-balancer"
  role = aws_iam_role.pods["load-balancer"].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Look"
        Effect = "Allow"
        Action = [
          "acm:DescribeCertificate", "acm:ListCertificates",
          "ec2:DescribeAccountAttributes", "ec2:DescribeAddresses", "ec2:DescribeAvailabilityZones",
          "ec2:DescribeCoipPools", "ec2:DescribeInstances", "ec2:DescribeInternetGateways", "ec2:DescribeIpamPools",
          "ec2:DescribeNetworkInterfaces", "ec2:DescribeRouteTables", "ec2:DescribeSecurityGroupRules",
          "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeTags", "ec2:DescribeVpcPeeringConnections",
          "ec2:DescribeVpcs", "ec2:GetSecurityGroupsForVpc",
          "elasticloadbalancing:DescribeCapacityReservation", "elasticloadbalancing:DescribeListenerAttributes",
          "elasticloadbalancing:DescribeListenerCertificates", "elasticloadbalancing:DescribeListeners",
          "elasticloadbalancing:DescribeLoadBalancerAttributes", "elasticloadbalancing:DescribeLoadBalancers",
          "elasticloadbalancing:DescribeRules", "elasticloadbalancing:DescribeSSLPolicies",
          "elasticloadbalancing:DescribeTags", "elasticloadbalancing:DescribeTargetGroupAttributes",
          "elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth",
          "elasticloadbalancing:DescribeTrustStores",
        ]
        Resource = "*"
      },
      {
        Sid       = "MakeLoadBalancers"
        Effect    = "Allow"
        Action    = ["elasticloadbalancing:CreateLoadBalancer", "elasticloadbalancing:CreateTargetGroup"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:RequestTag/elbv2.k8s.aws/cluster" = var.name } }
      },
      {
        Sid    = "ChangeOwnLoadBalancers"
        Effect = "Allow"
        Action = [
          "elasticloadbalancing:AddListenerCertificates", "elasticloadbalancing:AddTags",
          "elasticloadbalancing:CreateListener", "elasticloadbalancing:CreateRule",
          "elasticloadbalancing:DeleteListener", "elasticloadbalancing:DeleteLoadBalancer",
          "elasticloadbalancing:DeleteRule", "elasticloadbalancing:DeleteTargetGroup",
          "elasticloadbalancing:DeregisterTargets", "elasticloadbalancing:ModifyListener",
          "elasticloadbalancing:ModifyListenerAttributes", "elasticloadbalancing:ModifyLoadBalancerAttributes",
          "elasticloadbalancing:ModifyRule", "elasticloadbalancing:ModifyTargetGroup",
          "elasticloadbalancing:ModifyTargetGroupAttributes", "elasticloadbalancing:RegisterTargets",
          "elasticloadbalancing:RemoveListenerCertificates", "elasticloadbalancing:RemoveTags",
          "elasticloadbalancing:SetIpAddressType", "elasticloadbalancing:SetRulePriorities",
          "elasticloadbalancing:SetSecurityGroups", "elasticloadbalancing:SetSubnets",
        ]
        Resource  = "*"
        Condition = { StringEquals = { "aws:ResourceTag/elbv2.k8s.aws/cluster" = var.name } }
      },
      {
        Sid      = "TagWhatItMakes"
        Effect   = "Allow"
        Action   = ["elasticloadbalancing:AddTags"]
        Resource = "*"
        Condition = {
          StringEquals = {
            "elasticloadbalancing:CreateAction"    = ["CreateLoadBalancer", "CreateTargetGroup", "CreateListener", "CreateRule"]
            "aws:RequestTag/elbv2.k8s.aws/cluster" = var.name
          }
        }
      },
      {
        Sid      = "MakeSecurityGroupsOfThisNetwork"
        Effect   = "Allow"
        Action   = ["ec2:CreateSecurityGroup"]
        Resource = [aws_vpc.this.arn, "arn:${local.partition}:ec2:${var.region}:${local.account}:security-group/*"]
      },
      {
        Sid      = "TagSecurityGroupsThatItMakes"
        Effect   = "Allow"
        Action   = ["ec2:CreateTags"]
        Resource = ["arn:${local.partition}:ec2:${var.region}:${local.account}:security-group/*"]
        Condition = {
          StringEquals = {
            "ec2:CreateAction"                     = "CreateSecurityGroup"
            "aws:RequestTag/elbv2.k8s.aws/cluster" = var.name
          }
        }
      },
      {
        Sid       = "ChangeOwnSecurityGroups"
        Effect    = "Allow"
        Action    = ["ec2:CreateTags", "ec2:DeleteTags", "ec2:DeleteSecurityGroup", "ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress"]
        Resource  = ["arn:${local.partition}:ec2:${var.region}:${local.account}:security-group/*"]
        Condition = { StringEquals = { "aws:ResourceTag/elbv2.k8s.aws/cluster" = var.name } }
      },
      {
        Sid    = "LetTheLoadBalancerReachPods"
        Effect = "Allow"
        Action = ["ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress"]
        Resource = [
          "arn:${local.partition}:ec2:${var.region}:${local.account}:security-group/${aws_eks_cluster.this.vpc_config[0].cluster_security_group_id}",
        ]
      },
    ]
  })
}
