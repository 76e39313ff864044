mock_provider "azurerm" {
  source = "./tests/mocks"
}

run "private" {
  assert {
    condition     = alltrue([for each in values(azurerm_kubernetes_cluster_node_pool.this) : each.vnet_subnet_id == azurerm_subnet.nodes.id && !each.node_public_ip_enabled])
    error_message = "A node is outside of the private subnet, or has a public address."
  }

  assert {
    condition     = !azurerm_subnet.nodes.default_outbound_access_enabled && azurerm_subnet_nat_gateway_association.nodes.subnet_id == azurerm_subnet.nodes.id
    error_message = "Nodes leave by something else than the NAT gateway."
  }

  assert {
    condition     = toset(keys(azurerm_private_endpoint.blob)) == toset(keys(azurerm_storage_account.this))
    error_message = "A storage account has no address in the network."
  }

  assert {
    condition     = azurerm_dns_a_record.api.name == "aegis" && azurerm_dns_a_record.api.records == toset(["198.51.100.7"])
    error_message = "The domain does not lead to the ingress."
  }

  assert {
    condition     = azurerm_public_ip.ingress.zones == toset(["1", "2", "3"])
    error_message = "The ingress is lost with one zone."
  }
}

run "what_the_charts_are_given" {
  assert {
    condition     = yamldecode(output.traefik_values).service.annotations["service.beta.kubernetes.io/azure-pip-name"] == azurerm_public_ip.ingress.name
    error_message = "Traefik takes another address than the one that the domain leads to."
  }

  assert {
    condition     = yamldecode(output.cluster_issuer).spec.acme.solvers[0].dns01.azureDNS.managedIdentity.clientID == output.client_ids["cert-manager"]
    error_message = "cert-manager writes records with another identity than its own."
  }
}

run "a_domain_outside_of_the_zone" {
  command = plan
  variables {
    domain = "aegis.example.org"
  }
  expect_failures = [var.domain]
}
