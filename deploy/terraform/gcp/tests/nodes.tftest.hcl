mock_provider "google" {
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
    condition     = length(distinct(flatten([for name in ["vectors-1", "vectors-2", "vectors-3"] : tolist(google_container_node_pool.this[name].node_locations)]))) == 3
    error_message = "The vector nodes are not in three zones."
  }

  assert {
    condition = alltrue([
      for name, each in google_container_node_pool.this :
      startswith(name, "gpu") == (length(each.node_config[0].guest_accelerator) == 1) &&
      startswith(name, "gpu") == anytrue([for taint in each.node_config[0].taint : taint.key == "nvidia.com/gpu" && taint.effect == "NO_SCHEDULE"])
    ])
    error_message = "The GPU nodes, and they alone, have a GPU and keep out what does not ask for it."
  }

  assert {
    condition = alltrue([
      for each in values(google_container_node_pool.this) :
      each.node_config[0].workload_metadata_config[0].mode == "GKE_METADATA" && each.node_config[0].shielded_instance_config[0].enable_secure_boot
    ])
    error_message = "A pod could take the node's identity."
  }

  assert {
    condition     = alltrue([for each in values(google_container_node_pool.this) : !startswith(each.node_config[0].machine_type, "e2-")])
    error_message = "A node shares its cores."
  }
}

run "a_t4" {
  variables {
    gpu_machine = "n1-standard-8"
  }

  assert {
    condition     = google_container_node_pool.this["gpu-1"].node_config[0].guest_accelerator[0].type == "nvidia-tesla-t4" && output.capacity.gpu_gb == 16
    error_message = "The machine has another GPU."
  }
}

run "a_gpu_in_one_zone_for_two_nodes" {
  command = plan
  variables {
    size      = "recommended"
    gpu_zones = ["europe-west4-a"]
  }
  expect_failures = [var.gpu_zones]
}
