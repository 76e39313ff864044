mock_provider "aws" {
  source = "./tests/mocks"
}

run "minimum" {
  assert {
    condition     = output.capacity == { cores = 16, memory_gb = 64, gpu_gb = 24 }
    error_message = "The nodes of the minimum have 16 cores and 64 GB."
  }
}

run "recommended" {
  variables {
    size = "recommended"
  }

  assert {
    condition     = output.capacity == { cores = 80, memory_gb = 320, gpu_gb = 48 }
    error_message = "The recommended nodes have 80 cores and 320 GB."
  }

  assert {
    condition = alltrue([
      for pool, each in module.sizes.pools :
      local.hardware[local.machines[pool]].cores >= each.cores && local.hardware[local.machines[pool]].memory_gb >= each.memory_gb
    ])
    error_message = "A machine is smaller than its pool's row."
  }

  assert {
    condition     = length(distinct(flatten([for name in ["vectors-1", "vectors-2", "vectors-3"] : tolist(aws_eks_node_group.this[name].subnet_ids)]))) == 3
    error_message = "The vector nodes are not in three zones."
  }

  assert {
    condition = alltrue([
      for name, each in aws_eks_node_group.this :
      startswith(name, "gpu") == anytrue([for taint in each.taint : taint.key == "nvidia.com/gpu" && taint.effect == "NO_SCHEDULE"])
    ])
    error_message = "The GPU nodes, and they alone, keep out what does not ask for a GPU."
  }

  assert {
    condition = alltrue([
      for name, each in aws_eks_node_group.this :
      (each.ami_type == "AL2023_x86_64_NVIDIA") == startswith(name, "gpu") && contains(["g4dn.xlarge", "g5.xlarge", "g6.xlarge"], each.instance_types[0]) == startswith(name, "gpu") &&
      contains(keys(each.labels), "nvidia.com/gpu.present") == startswith(name, "gpu")
    ])
    error_message = "A GPU node lacks its GPU, its driver or its device plugin."
  }

  assert {
    condition     = alltrue([for each in values(aws_eks_node_group.this) : !startswith(each.instance_types[0], "t")])
    error_message = "A node is burstable."
  }

  assert {
    condition = alltrue([
      for each in values(aws_launch_template.nodes) :
      each.metadata_options[0].http_tokens == "required" && each.metadata_options[0].http_put_response_hop_limit == 1 && each.block_device_mappings[0].ebs[0].encrypted == "true"
    ])
    error_message = "A pod could take the node's role, or a node's disk is not encrypted."
  }
}

run "another_gpu" {
  variables {
    gpu_machine = "g4dn.xlarge"
  }

  assert {
    condition     = output.capacity.gpu_gb == 16
    error_message = "A T4 has 16 GB."
  }
}

run "the_guides_gpu" {
  command = plan
  variables {
    gpu_machine = "g4dn.4xlarge"
  }
  expect_failures = [var.gpu_machine]
}
