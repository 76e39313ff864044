module "sizes" {
  source = "../modules/sizes"
  size   = var.size
}

locals {
  # None is burstable: a t3 that has used up its credits answers at a tenth of its speed.
  machines = {
    minimum     = { general = "m7i.xlarge", vectors = "m7i.xlarge", gpu = var.gpu_machine }
    recommended = { general = "m7i.2xlarge", vectors = "m7i.2xlarge", gpu = var.gpu_machine }
  }[var.size]

  hardware = {
    "m7i.xlarge"  = { cores = 4, memory_gb = 16, gpu_gb = 0 }
    "m7i.2xlarge" = { cores = 8, memory_gb = 32, gpu_gb = 0 }
    "g4dn.xlarge" = { cores = 4, memory_gb = 16, gpu_gb = 16 }
    "g5.xlarge"   = { cores = 4, memory_gb = 16, gpu_gb = 24 }
    "g6.xlarge"   = { cores = 4, memory_gb = 16, gpu_gb = 24 }
  }

  # NVIDIA's chart puts its device plugin on nodes with this label.
  labels = {
    general = { "aegis-rag/pool" = "general" }
    vectors = { "aegis-rag/pool" = "vectors" }
    gpu     = { "aegis-rag/pool" = "gpu", "nvidia.com/gpu.present" = "true" }
  }

  # What runs elsewhere stays off these nodes; deploy/k8s has the tolerations.
  taints = {
    general = {}
    vectors = { "aegis-rag/pool" = "vectors" }
    gpu     = { "nvidia.com/gpu" = "present" }
  }

  root_disk_gb = { general = 80, vectors = 50, gpu = 120 } # images and logs; what lasts is on volumes
}

resource "aws_launch_template" "nodes" {
  for_each = module.sizes.pools
  name     = "${var.name}-${each.key}"

  # One hop: a pod cannot reach the metadata service, so it cannot take the node's role.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_type           = "gp3"
      volume_size           = local.root_disk_gb[each.key]
      encrypted             = true
      delete_on_termination = true
    }
  }

  monitoring {
    enabled = true
  }
}

resource "aws_eks_node_group" "this" {
  for_each        = module.sizes.groups
  cluster_name    = aws_eks_cluster.this.name
  node_group_name = each.key
  node_role_arn   = aws_iam_role.nodes.arn
  subnet_ids      = [aws_subnet.private[each.value.zone].id]
  version         = var.kubernetes_version
  instance_types  = [local.machines[each.value.pool]]
  ami_type        = each.value.pool == "gpu" ? "AL2023_x86_64_NVIDIA" : "AL2023_x86_64_STANDARD"
  labels          = local.labels[each.value.pool]

  launch_template {
    id      = aws_launch_template.nodes[each.value.pool].id
    version = aws_launch_template.nodes[each.value.pool].latest_version
  }

  scaling_config {
    min_size     = each.value.nodes
    desired_size = each.value.nodes
    max_size     = each.value.most
  }

  update_config {
    max_unavailable = 1
  }

  node_repair_config {
    enabled = true
  }

  dynamic "taint" {
    for_each = local.taints[each.value.pool]

    content {
      key    = taint.key
      value  = taint.value
      effect = "NO_SCHEDULE"
    }
  }

  lifecycle {
    ignore_changes = [scaling_config[0].desired_size] # an autoscaler's, where there is one
  }

  depends_on = [aws_iam_role_policy_attachment.nodes, aws_eks_addon.before_nodes]
}

resource "aws_iam_role" "nodes" {
  name = "${var.name}-nodes"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "nodes" {
  for_each   = toset(["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryPullOnly"])
  role       = aws_iam_role.nodes.name
  policy_arn = "arn:${local.partition}:iam::aws:policy/${each.value}"
}
