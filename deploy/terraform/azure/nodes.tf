module "sizes" {
  source = "../modules/sizes"
  size   = var.size
}

locals {
  machines = {
    minimum     = { general = "Standard_D4ads_v5", vectors = "Standard_D4ads_v5", gpu = var.gpu_machine }
    recommended = { general = "Standard_D8ads_v5", vectors = "Standard_D8ads_v5", gpu = var.gpu_machine }
  }[var.size]

  hardware = {
    "Standard_D4ads_v5"     = { cores = 4, memory_gb = 16, gpu_gb = 0 }
    "Standard_D8ads_v5"     = { cores = 8, memory_gb = 32, gpu_gb = 0 }
    "Standard_NC4as_T4_v3"  = { cores = 4, memory_gb = 28, gpu_gb = 16 }
    "Standard_NC8as_T4_v3"  = { cores = 8, memory_gb = 56, gpu_gb = 16 }
    "Standard_NC16as_T4_v3" = { cores = 16, memory_gb = 110, gpu_gb = 16 }
  }

  # NVIDIA's chart puts its device plugin on nodes with this label.
  labels = {
    general = { "aegis-rag/pool" = "general" }
    vectors = { "aegis-rag/pool" = "vectors" }
    gpu     = { "aegis-rag/pool" = "gpu", "nvidia.com/gpu.present" = "true" }
  }

  # What runs elsewhere stays off these nodes; deploy/k8s has the tolerations.
  taints = {
    general = []
    vectors = ["aegis-rag/pool=vectors:NoSchedule"]
    gpu     = ["nvidia.com/gpu=present:NoSchedule"]
  }

  # Images and logs, on the host's own disk, which each of these machines has; what lasts is on volumes.
  root_disk_gb = { general = 80, vectors = 64, gpu = 128 }
}

resource "azurerm_kubernetes_cluster_node_pool" "this" {
  for_each              = module.sizes.groups
  name                  = replace(each.key, "-", "") # a pool's name has no hyphen
  kubernetes_cluster_id = azurerm_kubernetes_cluster.this.id
  vm_size               = local.machines[each.value.pool]
  zones                 = [tostring(each.value.zone + 1)]
  vnet_subnet_id        = azurerm_subnet.nodes.id
  orchestrator_version  = var.kubernetes_version
  max_pods              = 60
  os_disk_size_gb       = local.root_disk_gb[each.value.pool]
  os_disk_type          = "Ephemeral"
  os_sku                = "Ubuntu"

  host_encryption_enabled = true
  node_public_ip_enabled  = false

  auto_scaling_enabled = each.value.most > each.value.nodes
  node_count           = each.value.nodes
  min_count            = each.value.most > each.value.nodes ? each.value.nodes : null
  max_count            = each.value.most > each.value.nodes ? each.value.most : null

  node_labels = local.labels[each.value.pool]
  node_taints = local.taints[each.value.pool]

  upgrade_settings {
    max_surge = "1"
  }

  lifecycle {
    ignore_changes = [node_count] # the autoscaler's
  }
}
