mock_provider "azurerm" {
  source = "./tests/mocks"
}

run "rights_of_pods" {
  assert {
    condition = alltrue([
      for key in ["api", "worker", "backup"] :
      azurerm_federated_identity_credential.pods[key].subject == "system:serviceaccount:aegis-rag:aegis-${key}"
    ])
    error_message = "An identity is bound to another service account than those of deploy/k8s."
  }

  assert {
    condition = alltrue([
      for each in values(azurerm_role_definition.blobs) :
      length(coalesce(each.permissions[0].actions, [])) == 0 && alltrue([for action in each.permissions[0].data_actions : !strcontains(action, "*") && !strcontains(action, "deleteBlobVersion") && !strcontains(action, "immutab")])
    ])
    error_message = "A pod may destroy versions, or the container."
  }

  assert {
    condition = (
      toset([for key, each in azurerm_role_assignment.blobs : key if each.scope == azurerm_storage_container.this["backups"].id && each.role_definition_id == azurerm_role_definition.blobs["write"].role_definition_resource_id]) == toset(["backup-backups"])
    )
    error_message = "Others than the lane backup may write backups."
  }

  assert {
    condition     = alltrue([for each in values(azurerm_role_assignment.blobs) : each.scope != azurerm_storage_container.this["backups"].id if each.principal_id == azurerm_user_assigned_identity.pods["worker"].principal_id])
    error_message = "Workers of other lanes than backup reach the backups."
  }

  assert {
    condition     = toset(keys(output.client_ids)) == toset(["aegis-api", "aegis-worker", "aegis-backup", "aegis-secrets-reader", "cert-manager"])
    error_message = "The outputs name other service accounts."
  }
}
