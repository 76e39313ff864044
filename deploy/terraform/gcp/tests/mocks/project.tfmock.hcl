mock_data "google_project" {
  defaults = { number = "123456789" }
}

mock_resource "google_certificate_manager_dns_authorization" {
  defaults = {
    dns_resource_record = [{ name = "_acme-challenge.aegis.example.com.", type = "CNAME", data = "x.authorize.certificatemanager.goog." }]
  }
}
