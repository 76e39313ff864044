mock_provider "azurerm" {
  source = "./tests/mocks"
}

run "accounts" {
  assert {
    condition     = toset(keys(azurerm_storage_account.this)) == toset(["blobs", "backups"])
    error_message = "Blobs and backups have an account each."
  }

  assert {
    condition = alltrue([
      for each in values(azurerm_storage_account.this) :
      !each.public_network_access_enabled && !each.allow_nested_items_to_be_public && !each.shared_access_key_enabled && each.network_rules[0].default_action == "Deny"
    ])
    error_message = "An account is reached from outside, or by a key."
  }

  assert {
    condition     = alltrue([for each in values(azurerm_storage_container.this) : each.container_access_type == "private"])
    error_message = "A container is public."
  }

  assert {
    condition     = alltrue([for each in values(azurerm_storage_account.this) : each.https_traffic_only_enabled && each.min_tls_version == "TLS1_2"])
    error_message = "An account lets requests without TLS 1.2 in."
  }

  assert {
    condition     = alltrue([for each in values(azurerm_storage_account.this) : each.blob_properties[0].versioning_enabled && each.infrastructure_encryption_enabled])
    error_message = "An account lacks versions or encryption."
  }

  assert {
    condition     = azurerm_storage_account.this["backups"].immutability_policy[0].period_since_creation_in_days == 30 && length(azurerm_storage_account.this["blobs"].immutability_policy) == 0
    error_message = "Backups are not locked for 30 days, or blobs are, which documents are deleted from."
  }

  assert {
    condition     = azurerm_storage_account.this["backups"].blob_properties[0].delete_retention_policy[0].days == 30
    error_message = "Backups that were removed are not kept for 30 days."
  }

  assert {
    condition     = azurerm_storage_account.this["backups"].account_replication_type == "RAGZRS"
    error_message = "Backups are lost with their region."
  }

  assert {
    condition = alltrue(flatten([
      for each in values(azurerm_storage_management_policy.this) : [for rule in each.rule : length(rule.actions[0].base_blob) == 0 && length(rule.actions[0].version) == 1]
    ]))
    error_message = "A rule removes or archives current blobs: parts of backups that are in use."
  }

  assert {
    condition     = output.backup_url == "abfss://backups@aegisbackupsx7k2.dfs.core.windows.net/backups" && length("aegisbackupsx7k2") <= 24
    error_message = "The address is not that of the account."
  }
}

run "backups_kept_too_short" {
  command = plan
  variables {
    backup_days      = 7
    backup_lock_days = 7
  }
  expect_failures = [var.backup_days]
}
