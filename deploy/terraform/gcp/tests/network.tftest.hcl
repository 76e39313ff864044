mock_provider "google" {
  source = "./tests/mocks"
}

run "private" {
  assert {
    condition     = alltrue([for each in values(google_container_node_pool.this) : each.network_config[0].enable_private_nodes]) && google_container_cluster.this.private_cluster_config[0].enable_private_nodes
    error_message = "A node has a public address."
  }

  assert {
    condition     = google_compute_subnetwork.nodes.private_ip_google_access && !google_compute_network.this.auto_create_subnetworks
    error_message = "Buckets are reached by the NAT gateway, or there are subnets that nobody asked for."
  }

  assert {
    condition     = length(google_container_cluster.this.node_locations) == 3
    error_message = "The cluster is not in three zones."
  }

  assert {
    condition     = google_dns_record_set.api.name == "aegis.example.com." && google_compute_ssl_policy.this.min_tls_version == "TLS_1_2"
    error_message = "The domain does not lead to the ingress, or the ingress takes old TLS."
  }
}

run "zones_of_another_region" {
  command = plan
  variables {
    zones     = ["europe-west1-b", "europe-west1-c", "europe-west1-d"]
    gpu_zones = ["europe-west1-b", "europe-west1-c"]
  }
  expect_failures = [var.zones]
}
