module "sizes" {
  source = "../modules/sizes"
  size   = var.size
}

locals {
  machines = {
    minimum     = { general = "n2-standard-4", vectors = "n2-standard-4", gpu = var.gpu_machine }
    recommended = { general = "n2-standard-8", vectors = "n2-standard-8", gpu = var.gpu_machine }
  }[var.size]

  hardware = {
    "n2-standard-4" = { cores = 4, memory_gb = 16, gpu_gb = 0 }
    "n2-standard-8" = { cores = 8, memory_gb = 32, gpu_gb = 0 }
    "g2-standard-4" = { cores = 4, memory_gb = 16, gpu_gb = 24 }
    "n1-standard-8" = { cores = 8, memory_gb = 30, gpu_gb = 16 } # n1 has 3.75 GB a core: 15 are too few
  }

  gpu = { "g2-standard-4" = "nvidia-l4", "n1-standard-8" = "nvidia-tesla-t4" }

  zones_of = { general = var.zones, vectors = var.zones, gpu = var.gpu_zones }

  # What runs elsewhere stays off these nodes; deploy/k8s has the tolerations. GKE would set the GPU's taint by itself.
  taints = {
    general = {}
    vectors = { "aegis-rag/pool" = "vectors" }
    gpu     = { "nvidia.com/gpu" = "present" }
  }

  # Images and logs; what lasts is on volumes. g2 knows no pd-standard.
  root_disk_gb = { general = 80, vectors = 50, gpu = 120 }
}

resource "google_container_node_pool" "this" {
  for_each       = module.sizes.groups
  name           = each.key
  cluster        = google_container_cluster.this.id
  location       = var.region
  node_locations = [local.zones_of[each.value.pool][each.value.zone]]

  initial_node_count = each.value.nodes

  autoscaling {
    min_node_count = each.value.nodes
    max_node_count = each.value.most
  }

  management {
    auto_repair  = true
    auto_upgrade = true
  }

  upgrade_settings {
    max_surge       = 1
    max_unavailable = 0
  }

  network_config {
    enable_private_nodes = true
  }

  node_config {
    machine_type    = local.machines[each.value.pool]
    image_type      = "COS_CONTAINERD"
    disk_type       = "pd-balanced"
    disk_size_gb    = local.root_disk_gb[each.value.pool]
    service_account = google_service_account.nodes.email
    oauth_scopes    = ["https://www.googleapis.com/auth/cloud-platform"] # rights are those of the account alone
    labels          = { "aegis-rag/pool" = each.value.pool }
    metadata        = { disable-legacy-endpoints = "true" }

    dynamic "guest_accelerator" {
      for_each = each.value.pool == "gpu" ? [local.gpu[var.gpu_machine]] : []

      content {
        type  = guest_accelerator.value
        count = 1

        gpu_driver_installation_config {
          gpu_driver_version = "DEFAULT"
        }
      }
    }

    dynamic "taint" {
      for_each = local.taints[each.value.pool]

      content {
        key    = taint.key
        value  = taint.value
        effect = "NO_SCHEDULE"
      }
    }

    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }

    # Pods see the metadata of their own identity, never the node's.
    workload_metadata_config {
      mode = "GKE_METADATA"
    }
  }

  lifecycle {
    ignore_changes = [initial_node_count] # the autoscaler's
  }
}

resource "google_service_account" "nodes" {
  account_id   = "${var.name}-nodes"
  display_name = "Nodes of ${var.name}"
}

resource "google_project_iam_member" "nodes" {
  for_each = toset(["roles/container.defaultNodeServiceAccount", "roles/artifactregistry.reader"])
  project  = var.project
  role     = each.value
  member   = "serviceAccount:${google_service_account.nodes.email}"
}
