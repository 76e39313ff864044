# What each set of sizes asks for, and on which nodes it runs. The clouds choose machines that hold it.
#
# The deployment guide's rows are kept as they are. Its total of the recommended ones, 64 cores, 224 GB and 2.2 TB,
# is not the sum of its own rows: that is 76 cores, 280 GB and 4.35 TB. The minimum adds up: 16, 56 and 370.
#
# Two things differ from the guide in `services`:
# - Ollama's 16 cores and 64 GB were those of a g4dn.4xlarge. A model that is held in the GPU leaves them idle, so
#   a node has 4 cores and 16 GB here, and the same GPU with 16 GB or more.
# - The guide has no row for workers, beat, Flower and monitoring.

terraform {
  required_version = ">= 1.11.0, < 2.0.0"
}

variable "size" {
  type        = string
  description = "The set of sizes: minimum or recommended."

  validation {
    condition     = contains(["minimum", "recommended"], var.size)
    error_message = "size is minimum or recommended."
  }
}

locals {
  # cores, memory_gb and disk_gb are those of one replica.
  guide = {
    minimum = {
      api    = { replicas = 1, cores = 2, memory_gb = 4, disk_gb = 20 }
      qdrant = { replicas = 1, cores = 4, memory_gb = 16, disk_gb = 100 }
      ollama = { replicas = 1, cores = 8, memory_gb = 32, disk_gb = 200 }
      redis  = { replicas = 1, cores = 2, memory_gb = 4, disk_gb = 50 }
    }
    recommended = {
      api    = { replicas = 3, cores = 4, memory_gb = 8, disk_gb = 50 }
      qdrant = { replicas = 3, cores = 8, memory_gb = 32, disk_gb = 1000 }
      ollama = { replicas = 2, cores = 16, memory_gb = 64, disk_gb = 500 }
      redis  = { replicas = 2, cores = 4, memory_gb = 16, disk_gb = 100 }
    }
  }

  changes = {
    minimum = {
      ollama     = { replicas = 1, cores = 4, memory_gb = 16, disk_gb = 200 }
      workers    = { replicas = 1, cores = 2, memory_gb = 4, disk_gb = 20 }
      operations = { replicas = 1, cores = 1, memory_gb = 2, disk_gb = 20 }
    }
    recommended = {
      ollama     = { replicas = 2, cores = 4, memory_gb = 16, disk_gb = 500 }
      workers    = { replicas = 2, cores = 4, memory_gb = 8, disk_gb = 20 }
      operations = { replicas = 1, cores = 4, memory_gb = 8, disk_gb = 100 }
    }
  }

  services = merge(local.guide[var.size], local.changes[var.size])

  pool_of = {
    api        = "general"
    redis      = "general"
    workers    = "general"
    operations = "general"
    qdrant     = "vectors"
    ollama     = "gpu"
  }

  # A volume lies in one zone, so each node that holds one belongs to a group of its zone: a node that is replaced
  # comes back where its volume is. `zones` counts zones, `nodes` and `most` the nodes of one zone.
  # With the recommended sizes the general nodes of two zones hold all general rows, so a zone may be lost.
  pools = {
    minimum = {
      general = { zones = 2, nodes = 1, most = 2, cores = 4, memory_gb = 16 }
      vectors = { zones = 1, nodes = 1, most = 1, cores = 4, memory_gb = 16 }
      gpu     = { zones = 1, nodes = 1, most = 1, cores = 4, memory_gb = 16 }
    }
    recommended = {
      general = { zones = 3, nodes = 2, most = 3, cores = 8, memory_gb = 32 }
      vectors = { zones = 3, nodes = 1, most = 1, cores = 8, memory_gb = 32 }
      gpu     = { zones = 2, nodes = 1, most = 1, cores = 4, memory_gb = 16 }
    }
  }

  sums = {
    for name, services in { guide = local.guide[var.size], services = local.services } : name => {
      for figure in ["cores", "memory_gb", "disk_gb"] :
      figure => sum([for each in values(services) : each.replicas * each[figure]])
    }
  }
}

output "guide" {
  description = "What the rows of the deployment guide add up to."
  value       = local.sums.guide
}

output "total" {
  description = "What the rows in use add up to."
  value       = local.sums.services
}

output "services" {
  description = "The rows in use: replicas, and cores, memory and disk of one."
  value       = local.services
}

output "demand" {
  description = "Cores and memory that the services of each pool add up to."
  value = {
    for pool in keys(local.pools[var.size]) : pool => {
      for figure in ["cores", "memory_gb"] :
      figure => sum([for name, each in local.services : each.replicas * each[figure] if local.pool_of[name] == pool])
    }
  }
}

output "pools" {
  description = "The node pools: zones, nodes of a zone at the start and at most, and the least that a node has."
  value       = local.pools[var.size]
}

output "groups" {
  description = "A group of nodes for each pool and zone, by a name such as vectors-2."
  value = merge([
    for pool, each in local.pools[var.size] : {
      for zone in range(each.zones) : "${pool}-${zone + 1}" => {
        pool  = pool
        zone  = zone
        nodes = each.nodes
        most  = each.most
      }
    }
  ]...)
}
