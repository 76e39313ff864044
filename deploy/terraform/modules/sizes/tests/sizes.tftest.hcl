run "minimum" {
  command = plan
  variables {
    size = "minimum"
  }

  assert {
    condition     = output.guide == { cores = 16, memory_gb = 56, disk_gb = 370 }
    error_message = "The guide's minimum is 16 cores, 56 GB and 370 GB of disk."
  }

  assert {
    condition     = output.total == { cores = 15, memory_gb = 46, disk_gb = 410 }
    error_message = "With a smaller GPU node, and with workers and operations, it is 15 cores, 46 GB and 410 GB."
  }
}

run "recommended" {
  command = plan
  variables {
    size = "recommended"
  }

  assert {
    condition     = output.guide == { cores = 76, memory_gb = 280, disk_gb = 4350 }
    error_message = "The guide's recommended rows add up to 76 cores, 280 GB and 4.35 TB."
  }

  assert {
    condition     = output.total == { cores = 64, memory_gb = 208, disk_gb = 4490 }
    error_message = "With smaller GPU nodes, and with workers and operations, it is 64 cores, 208 GB and 4.49 TB."
  }

  assert {
    condition     = length(output.groups) == 8 && length(distinct([for each in values(output.groups) : each.zone if each.pool == "vectors"])) == 3
    error_message = "Each of the three vector nodes has a zone of its own."
  }
}

run "pools_hold_their_services" {
  command = plan
  variables {
    size = "recommended"
  }

  assert {
    condition = alltrue([
      for name, pool in output.pools :
      pool.zones * pool.nodes * pool.cores >= output.demand[name].cores &&
      pool.zones * pool.nodes * pool.memory_gb >= output.demand[name].memory_gb
    ])
    error_message = "A pool has fewer cores or less memory than its services ask for."
  }

  assert {
    condition = (
      (output.pools.general.zones - 1) * output.pools.general.nodes * output.pools.general.cores >= output.demand.general.cores
    )
    error_message = "The general nodes that are left when a zone is lost do not hold what runs on them."
  }
}

run "minimal_pools_hold_their_services" {
  command = plan
  variables {
    size = "minimum"
  }

  assert {
    condition = alltrue([
      for name, pool in output.pools :
      pool.zones * pool.nodes * pool.cores >= output.demand[name].cores &&
      pool.zones * pool.nodes * pool.memory_gb >= output.demand[name].memory_gb
    ])
    error_message = "A pool has fewer cores or less memory than its services ask for."
  }
}

run "another_size" {
  command = plan
  variables {
    size = "huge"
  }
  expect_failures = [var.size]
}
