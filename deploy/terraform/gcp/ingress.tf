# Terraform makes the address, its name, and the certificate. GKE makes the load balancer (global, layer 7) of the
# Gateway in deploy/k8s/overlays/gcp, which names both; its targets are the pods themselves.

data "google_dns_managed_zone" "this" {
  name = var.dns_zone
}

resource "google_compute_global_address" "ingress" {
  name = "${var.name}-ingress"

  depends_on = [google_project_service.used]
}

resource "google_dns_record_set" "api" {
  managed_zone = data.google_dns_managed_zone.this.name
  name         = "${var.domain}."
  type         = "A"
  ttl          = 300
  rrdatas      = [google_compute_global_address.ingress.address]
}

# A record proves the domain, so the certificate is there before the load balancer is.
resource "google_certificate_manager_dns_authorization" "this" {
  name   = var.name
  domain = var.domain

  depends_on = [google_project_service.used]
}

resource "google_dns_record_set" "certificate" {
  managed_zone = data.google_dns_managed_zone.this.name
  name         = google_certificate_manager_dns_authorization.this.dns_resource_record[0].name
  type         = google_certificate_manager_dns_authorization.this.dns_resource_record[0].type
  ttl          = 300
  rrdatas      = [google_certificate_manager_dns_authorization.this.dns_resource_record[0].data]
}

resource "google_certificate_manager_certificate" "this" {
  name = var.name

  managed {
    domains            = [var.domain]
    dns_authorizations = [google_certificate_manager_dns_authorization.this.id]
  }
}

resource "google_certificate_manager_certificate_map" "this" {
  name = var.name

  depends_on = [google_project_service.used]
}

resource "google_certificate_manager_certificate_map_entry" "this" {
  name         = var.name
  map          = google_certificate_manager_certificate_map.this.name
  certificates = [google_certificate_manager_certificate.this.id]
  hostname     = var.domain
}

# TLS 1.2 and modern ciphers; the Gateway's GCPGatewayPolicy names it.
resource "google_compute_ssl_policy" "this" {
  name            = var.name
  profile         = "MODERN"
  min_tls_version = "TLS_1_2"

  depends_on = [google_project_service.used]
}
