mock_provider "azurerm" {
  source = "./tests/mocks"
}

run "minimum" {
  assert {
    condition     = output.capacity == { cores = 16, memory_gb = 76, gpu_gb = 16 }
    error_message = "The nodes of the minimum have 16 cores and 76 GB."
  }
}

run "recommended" {
  variables {
    size = "recommended"
  }

  assert {
    condition     = output.capacity == { cores = 80, memory_gb = 344, gpu_gb = 32 }
    error_message = "The recommended nodes have 80 cores and 344 GB."
  }

  assert {
    condition = alltrue([
      for pool, each in module.sizes.pools :
      local.hardware[local.machines[pool]].cores >= each.cores && local.hardware[local.machines[pool]].memory_gb >= each.memory_gb
    ])
    error_message = "A machine is smaller than its pool's row."
  }

  assert {
    condition     = toset(flatten([for name in ["vectors1", "vectors2", "vectors3"] : [for each in values(azurerm_kubernetes_cluster_node_pool.this) : tolist(each.zones) if each.name == name]])) == toset(["1", "2", "3"])
    error_message = "The vector nodes are not in three zones."
  }

  assert {
    condition = alltrue([
      for name, each in azurerm_kubernetes_cluster_node_pool.this :
      startswith(name, "gpu") == contains(each.node_taints, "nvidia.com/gpu=present:NoSchedule") && startswith(name, "gpu") == strcontains(each.vm_size, "T4") &&
      startswith(name, "gpu") == contains(keys(each.node_labels), "nvidia.com/gpu.present")
    ])
    error_message = "The GPU nodes, and they alone, have a GPU and keep out what does not ask for it."
  }

  assert {
    condition     = alltrue([for each in values(azurerm_kubernetes_cluster_node_pool.this) : !startswith(each.vm_size, "Standard_B") && each.host_encryption_enabled])
    error_message = "A node is burstable, or its disk is not encrypted by its host."
  }

  assert {
    condition     = alltrue([for each in values(azurerm_kubernetes_cluster_node_pool.this) : each.min_count == 2 && each.max_count == 3 if startswith(each.name, "general")])
    error_message = "General nodes do not grow from two to three a zone."
  }
}

run "the_guides_gpu" {
  command = plan
  variables {
    gpu_machine = "Standard_NC6s_v3"
  }
  expect_failures = [var.gpu_machine]
}
