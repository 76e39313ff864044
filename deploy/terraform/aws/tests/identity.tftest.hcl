mock_provider "aws" {
  source = "./tests/mocks"
}

run "rights_of_pods" {
  assert {
    condition = alltrue([
      for key in ["api", "worker", "backup"] :
      aws_eks_pod_identity_association.this[key].namespace == "aegis-rag" && aws_eks_pod_identity_association.this[key].service_account == "aegis-${key}"
    ])
    error_message = "A role is bound to another service account than those of deploy/k8s."
  }

  assert {
    condition = alltrue([
      for key in ["api", "worker", "backup"] :
      jsondecode(aws_iam_role.pods[key].assume_role_policy).Statement[0].Condition.StringEquals["aws:RequestTag/kubernetes-service-account"] == "aegis-${key}"
    ])
    error_message = "A role can be taken by another service account."
  }

  assert {
    condition = alltrue(flatten([
      for each in values(aws_iam_role_policy.buckets) : [
        for rule in jsondecode(each.policy).Statement : [
          for action in rule.Action : !strcontains(action, "*") && !contains(["s3:DeleteObjectVersion", "s3:BypassGovernanceRetention", "s3:DeleteBucket", "s3:PutLifecycleConfiguration"], action)
        ]
      ]
    ]))
    error_message = "A pod may destroy versions, or everything."
  }

  assert {
    condition = alltrue(flatten([
      for each in values(aws_iam_role_policy.buckets) : [for rule in jsondecode(each.policy).Statement : [for resource in rule.Resource : resource != "*"]]
    ]))
    error_message = "A pod's rights hold for more than the installation's buckets."
  }

  assert {
    condition     = !strcontains(aws_iam_role_policy.buckets["worker"].policy, "-backups-")
    error_message = "Workers of other lanes than backup reach the backups."
  }

  assert {
    condition = alltrue([
      for rule in jsondecode(aws_iam_role_policy.buckets["api"].policy).Statement :
      rule.Action == ["s3:GetObject"] if anytrue([for resource in rule.Resource : endswith(resource, "-backups-123456789012/*")])
    ])
    error_message = "The API may write backups."
  }

  assert {
    condition     = length(setsubtract(values(output.role_arns), [for each in values(aws_iam_role.pods) : each.arn])) == 0 && length(output.role_arns) == 3
    error_message = "The outputs name other roles."
  }
}

run "the_name_in_dns_before_the_load_balancer" {
  assert {
    condition     = length(aws_route53_record.api) == 0
    error_message = "The domain leads nowhere."
  }
}

run "the_name_in_dns" {
  variables {
    load_balancer_made = true
  }

  assert {
    condition     = aws_route53_record.api[0].name == "aegis.example.com" && data.aws_lb.kubernetes[0].tags["ingress.k8s.aws/stack"] == "aegis-rag/aegis"
    error_message = "The domain does not lead to the load balancer."
  }
}
