# Nodes have private addresses, and leave by Cloud NAT. A subnet of Google spans all zones of its region; the
# zones are chosen by the node pools (nodes.tf).

resource "google_project_service" "used" {
  for_each = toset([
    "certificatemanager", "cloudkms", "compute", "container", "dns", "iam", "logging", "monitoring", "secretmanager", "storage",
  ])

  service            = "${each.value}.googleapis.com"
  disable_on_destroy = false # others in the project may use it
}

resource "google_compute_network" "this" {
  # checkov:skip=CKV2_GCP_18:What no rule lets in is refused, and GKE makes the rules for its nodes and its load balancer.

  name                            = var.name
  auto_create_subnetworks         = false
  delete_default_routes_on_create = false

  depends_on = [google_project_service.used]
}

resource "google_compute_subnetwork" "nodes" {
  name                     = "${var.name}-nodes"
  network                  = google_compute_network.this.id
  region                   = var.region
  ip_cidr_range            = "10.40.0.0/20"
  private_ip_google_access = true # Cloud Storage is reached without passing Cloud NAT

  secondary_ip_range {
    range_name    = "pods"
    ip_cidr_range = "10.44.0.0/16"
  }

  secondary_ip_range {
    range_name    = "services"
    ip_cidr_range = "10.45.0.0/20"
  }

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.1
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

resource "google_compute_router" "this" {
  name    = var.name
  network = google_compute_network.this.id
  region  = var.region
}

resource "google_compute_router_nat" "this" {
  name                               = var.name
  router                             = google_compute_router.this.name
  region                             = var.region
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "LIST_OF_SUBNETWORKS"

  subnetwork {
    name                    = google_compute_subnetwork.nodes.id
    source_ip_ranges_to_nat = ["ALL_IP_RANGES"]
  }

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}
