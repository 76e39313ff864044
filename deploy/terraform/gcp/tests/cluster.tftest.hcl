mock_provider "google" {
  source = "./tests/mocks"
}

run "closed" {
  assert {
    condition     = google_container_cluster.this.private_cluster_config[0].enable_private_endpoint && length(google_container_cluster.this.master_authorized_networks_config[0].cidr_blocks) == 0
    error_message = "Without api_server_cidrs the API server is reached from outside."
  }

  assert {
    condition     = google_container_cluster.this.min_master_version == "1.35"
    error_message = "The control plane does not have the version that is pinned."
  }

  assert {
    condition     = google_container_cluster.this.database_encryption[0].state == "ENCRYPTED"
    error_message = "Kubernetes' secrets are not encrypted with a key of our own."
  }

  assert {
    condition     = contains(google_container_cluster.this.logging_config[0].enable_components, "APISERVER")
    error_message = "The API server writes no log."
  }

  assert {
    condition     = google_container_cluster.this.datapath_provider == "ADVANCED_DATAPATH"
    error_message = "Nobody enforces network policies."
  }

  assert {
    condition     = google_container_cluster.this.workload_identity_config[0].workload_pool == "my-project.svc.id.goog"
    error_message = "Pods get no identity."
  }

  assert {
    condition     = !google_container_cluster.this.addons_config[0].gcp_filestore_csi_driver_config[0].enabled
    error_message = "Filestore can be had for volumes."
  }

  assert {
    condition     = google_container_cluster.this.deletion_protection && alltrue([for each in values(google_storage_bucket.this) : !each.force_destroy])
    error_message = "The cluster and the buckets are not protected from being destroyed."
  }
}

run "one_address" {
  variables {
    api_server_cidrs    = ["203.0.113.7/32"]
    deletion_protection = false
  }

  assert {
    condition     = [for each in google_container_cluster.this.master_authorized_networks_config[0].cidr_blocks : each.cidr_block] == ["203.0.113.7/32"]
    error_message = "Other addresses than those named reach the API server."
  }

  assert {
    condition     = !google_container_cluster.this.deletion_protection && google_storage_bucket.this["blobs"].force_destroy
    error_message = "Without deletion_protection there is still some."
  }
}

run "the_whole_internet" {
  command = plan
  variables {
    api_server_cidrs = ["0.0.0.0/0"]
  }
  expect_failures = [var.api_server_cidrs]
}

run "a_version_that_is_not_pinned" {
  command = plan
  variables {
    kubernetes_version = "latest"
  }
  expect_failures = [var.kubernetes_version]
}
