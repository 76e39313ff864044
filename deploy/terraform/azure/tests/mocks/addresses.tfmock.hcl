mock_resource "azurerm_public_ip" {
  defaults = { ip_address = "198.51.100.7" }
}
