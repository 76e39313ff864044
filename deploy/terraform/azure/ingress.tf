# Terraform makes the address and its name. Kubernetes makes the load balancer: Azure's own (layer 4) in front of
# Traefik, whose Service names this address; Traefik ends TLS with cert-manager's certificate. An Application Gateway
# would buffer streamed answers by default, and it would be a second place that has to know of blue and green.

data "azurerm_dns_zone" "this" {
  name                = var.dns_zone
  resource_group_name = var.dns_zone_group
}

resource "azurerm_public_ip" "ingress" {
  name                = "${var.name}-ingress"
  location            = var.location
  resource_group_name = azurerm_resource_group.this.name
  allocation_method   = "Static"
  sku                 = "Standard"
  zones               = ["1", "2", "3"]
}

resource "azurerm_dns_a_record" "api" {
  name                = trimsuffix(var.domain, ".${var.dns_zone}")
  zone_name           = data.azurerm_dns_zone.this.name
  resource_group_name = var.dns_zone_group
  ttl                 = 300
  records             = [azurerm_public_ip.ingress.ip_address]
}
