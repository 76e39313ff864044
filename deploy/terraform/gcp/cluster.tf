resource "google_container_cluster" "this" {
  # checkov:skip=CKV_GCP_12:Dataplane V2 enforces network policies without it.
  # checkov:skip=CKV_GCP_65:Who may administer the cluster is said by IAM (roles/container.admin), which takes groups.

  name                = var.name
  location            = var.region # three control planes, one a zone
  node_locations      = var.zones
  min_master_version  = var.kubernetes_version
  network             = google_compute_network.this.id
  subnetwork          = google_compute_subnetwork.nodes.id
  deletion_protection = var.deletion_protection

  # GKE makes a pool with each cluster, which is removed at once: the pools are those of nodes.tf.
  remove_default_node_pool = true
  initial_node_count       = 1

  node_config {
    service_account = google_service_account.nodes.email

    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }

    workload_metadata_config {
      mode = "GKE_METADATA"
    }
  }

  networking_mode             = "VPC_NATIVE"
  datapath_provider           = "ADVANCED_DATAPATH" # enforces the network policies of deploy/k8s
  enable_intranode_visibility = true
  enable_shielded_nodes       = true

  release_channel {
    channel = "REGULAR"
  }

  ip_allocation_policy {
    cluster_secondary_range_name  = "pods"
    services_secondary_range_name = "services"
  }

  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = length(var.api_server_cidrs) == 0
  }

  master_authorized_networks_config {
    gcp_public_cidrs_access_enabled = false

    dynamic "cidr_blocks" {
      for_each = var.api_server_cidrs

      content {
        cidr_block   = cidr_blocks.value
        display_name = "operators"
      }
    }
  }

  master_auth {
    client_certificate_config {
      issue_client_certificate = false
    }
  }

  workload_identity_config {
    workload_pool = "${var.project}.svc.id.goog"
  }

  database_encryption {
    state    = "ENCRYPTED"
    key_name = google_kms_crypto_key.this["cluster"].id
  }

  # Disks alone: Filestore is NFS, which holds neither Qdrant's storage nor Redis' log.
  addons_config {
    gce_persistent_disk_csi_driver_config {
      enabled = true
    }

    gcp_filestore_csi_driver_config {
      enabled = false
    }

    http_load_balancing {
      disabled = false
    }

    horizontal_pod_autoscaling {
      disabled = false
    }
  }

  gateway_api_config {
    channel = "CHANNEL_STANDARD"
  }

  binary_authorization {
    evaluation_mode = "PROJECT_SINGLETON_POLICY_ENFORCE"
  }

  security_posture_config {
    mode               = "BASIC"
    vulnerability_mode = "VULNERABILITY_BASIC"
  }

  logging_config {
    enable_components = ["SYSTEM_COMPONENTS", "APISERVER", "SCHEDULER", "CONTROLLER_MANAGER", "WORKLOADS"]
  }

  monitoring_config {
    enable_components = ["SYSTEM_COMPONENTS"]

    managed_prometheus {
      enabled = false # deploy/k8s has Prometheus
    }
  }

  maintenance_policy {
    recurring_window {
      start_time = "2026-01-04T02:00:00Z"
      end_time   = "2026-01-04T08:00:00Z"
      recurrence = "FREQ=WEEKLY;BYDAY=SA,SU"
    }
  }

  resource_labels = { application = "aegis-rag" }

  lifecycle {
    ignore_changes = [node_config] # of the pool that was removed
  }

  depends_on = [google_kms_crypto_key_iam_member.users]
}
